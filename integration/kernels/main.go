// Command kernels runs the tests that depend on the kernel on others than this machine's: it boots kernels of Debian's packages
// in virtual machines that see this machine's files, and there, as root, runs compiled tests. Nothing of this machine is changed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vpngw/integration/kernels/order"
	"vpngw/integration/lab/command"
)

// usual are the packages of the kernels that are tried, where the machine's package sources have them: what Debian runs, and
// Debian 13's for Debian 12.
var usual = []string{"linux-image-amd64", "linux-image-6.12-amd64"}

// modules are what tests need and no program asks the kernel for.
var modules = []string{"tun", lroCard.driver, plainCard.driver}

const (
	programName = "vpngw"
	guestName   = "guest"
	bootSeconds = 120 // generously, without KVM
)

// settings are the flags.
type settings struct {
	kernels, only, run, output string
	processors, megabytes      int
	software                   bool
}

func main() {
	command.Main("kernels", func(ctx context.Context, args []string) error {
		return run(ctx, args, os.Stdout)
	})
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	f := flag.NewFlagSet("kernels", flag.ContinueOnError)
	f.StringVar(&s.kernels, "kernels", "", "comma-separated Debian `packages` of kernels (default those of "+strings.Join(usual, " and ")+" that are to be had)")
	f.StringVar(&s.only, "only", "", "comma-separated `groups` of tests: "+strings.Join(groups(), ", "))
	f.StringVar(&s.run, "run", "", "`regexp` of tests of package integration, which are then all that is run")
	f.IntVar(&s.processors, "cpus", 2, "processors of the machine")
	f.IntVar(&s.megabytes, "memory", 4096, "memory of the machine in `MiB`")
	f.BoolVar(&s.software, "software", false, "do without /dev/kvm, as is done by itself where no kernel runs with it")
	f.StringVar(&s.output, "o", filepath.Join("out", "kernels"), "`folder` for kernels and logs")
	if err := f.Parse(args); err != nil {
		return err
	}
	chosen, err := s.choose(f.NArg())
	if err != nil {
		return err
	}
	if err := command.MakeFolder(s.output); err != nil {
		return err
	}
	if s.output, err = filepath.Abs(s.output); err != nil {
		return err
	}
	work, err := os.MkdirTemp(s.output, "work-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := build(ctx, chosen, work); err != nil {
		return err
	}
	if kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err == nil {
		kvm.Close()
	} else if !s.software {
		fmt.Fprintf(out, "%v: it takes longer without\n", err)
		s.software = true
	}
	names := usual
	if s.kernels != "" {
		names = strings.Split(s.kernels, ",")
	}
	tried, good := 0, true
	for _, name := range names {
		k, err := fetch(ctx, name, s.output, out)
		if errors.Is(err, errNoPackage) && s.kernels == "" {
			fmt.Fprintln(out, err)
			continue
		}
		if err != nil {
			return err
		}
		well, err := s.report(ctx, k, chosen, work, out)
		if err != nil {
			return fmt.Errorf("kernel %s: %w", k.release, err)
		}
		tried, good = tried+1, good && well
	}
	switch {
	case tried == 0:
		return errors.New("there was no kernel to try")
	case !good:
		return errors.New("some tests failed")
	}
	return nil
}

// report runs the suites on a kernel, prints what became of them, and tells whether all is well.
func (s *settings) report(ctx context.Context, k *kernel, chosen []suite, work string, out io.Writer) (well bool, err error) {
	outcomes, err := s.try(ctx, k, chosen, work)
	if errors.Is(err, errSilent) {
		fmt.Fprintln(out, "with /dev/kvm no kernel runs on this machine; again without, which takes longer")
		s.software = true
		outcomes, err = s.try(ctx, k, chosen, work)
	}
	summarize(out, k.release, outcomes)
	return !slices.ContainsFunc(outcomes, func(o *outcome) bool { return !o.good() }), err
}

// choose takes the suites that the flags ask for.
func (s *settings) choose(unnamed int) (chosen []suite, err error) {
	if unnamed > 0 || s.processors < 1 || s.megabytes < 512 {
		return nil, errors.New("everything is a flag, see -help; at least one processor and 512 MiB")
	}
	only := groups()
	if s.only != "" {
		only = strings.Split(s.only, ",")
	}
	for _, name := range only {
		if !slices.Contains(groups(), name) {
			return nil, fmt.Errorf("-only %s: the groups are %s", name, strings.Join(groups(), ", "))
		}
	}
	for _, x := range suites {
		if !slices.Contains(only, x.group) {
			continue
		}
		if s.run != "" && x.lab {
			x.run, x.timed = s.run, ""
			return []suite{x}, nil
		}
		chosen = append(chosen, x)
	}
	if s.run != "" {
		return nil, errors.New("-run is for package integration, of which -only leaves nothing")
	}
	return chosen, nil
}

// build compiles what runs inside: static, as the machine's first root has no libraries.
func build(ctx context.Context, chosen []suite, work string) error {
	commands := [][]string{
		{"go", "build", "-o", filepath.Join(work, guestName), "./integration/kernels/guest"},
		{"go", "build", "-o", filepath.Join(work, programName), "./cmd/vpngw"},
	}
	built := map[string]bool{}
	for _, s := range chosen {
		if b := s.binary(); !built[b] {
			built[b] = true
			commands = append(commands, []string{"go", "test", "-c", "-o", filepath.Join(work, b), "./" + s.folder})
		}
	}
	for _, c := range commands {
		if _, err := tool(ctx, ".", append([]string{"env", "CGO_ENABLED=0"}, c...)...); err != nil {
			return err
		}
	}
	return nil
}

// try runs the suites on a kernel.
func (s *settings) try(ctx context.Context, k *kernel, chosen []suite, work string) (outcomes []*outcome, err error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	o := order.Order{Modules: modules, Cards: map[string]string{}}
	for _, c := range cards {
		o.Cards[c.address] = c.name
	}
	limit := bootSeconds
	for _, x := range chosen {
		if s.software {
			x = x.slowed()
		}
		o.Jobs = append(o.Jobs, order.Job{Dir: filepath.Join(root, x.folder), Args: x.arguments(order.WorkFolder), Limit: x.limit + 10})
		limit += x.limit + 10
		outcomes = append(outcomes, &outcome{suite: x, failure: notEnded})
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(work, order.File), text, 0o644); err != nil {
		return nil, err
	}
	logs := filepath.Join(s.output, "logs-"+k.release)
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, err
	}
	m := machine{kernel: k, folder: work, initramfs: filepath.Join(work, "initramfs"), console: filepath.Join(logs, "console.log"), software: s.software, processors: s.processors, megabytes: s.megabytes}
	first, err := k.initramfs(ctx, filepath.Join(work, guestName))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(m.initramfs, first, 0o644); err != nil {
		return nil, err
	}
	r, err := newRecorder(outcomes, logs)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(limit)*time.Second)
	defer cancel()
	err = errors.Join(m.run(ctx, r.record), r.close())
	if err == nil && slices.ContainsFunc(outcomes, func(o *outcome) bool { return o.failure == notEnded }) {
		err = fmt.Errorf("the machine stopped before all was done; its last words:\n%s", m.lastWords())
	}
	return outcomes, err
}
