package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// packages are the programs a lab may need, with the Debian package of each.
var packages = []struct{ program, debian string }{
	{"ip", "iproute2"},
	{"iperf3", "iperf3"},
	{"tshark", "tshark"},
	{"ethtool", "ethtool"},
	{"nft", "nftables"},
	{"setpriv", "util-linux"},
	{"sysctl", "procps"},
}

// lookTool finds a program on PATH or in the system's own directories, which an ordinary PATH lacks.
func lookTool(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"} {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("program %s: not installed", program)
}

// Missing gives the Debian packages of the programs that are not installed: of those named among the ones of packages, or
// of all of them when none is named.
func Missing(programs ...string) []string {
	var missing []string
	for _, p := range packages {
		wanted := len(programs) == 0
		for _, name := range programs {
			wanted = wanted || name == p.program
		}
		if _, err := lookTool(p.program); wanted && err != nil {
			missing = append(missing, p.debian)
		}
	}
	return missing
}

// ErrCannotInstall is wrapped by the error of [Install] where packages cannot be installed from here.
var ErrCannotInstall = errors.New("cannot install packages here")

// Install installs Debian packages with apt-get, refreshing the package lists if the first attempt fails. The output of
// apt-get goes to log.
func Install(ctx context.Context, log io.Writer, debianPackages ...string) error {
	if len(debianPackages) == 0 {
		return nil
	}
	list := strings.Join(debianPackages, " ")
	apt, err := lookTool("apt-get")
	switch {
	case err != nil:
		return fmt.Errorf("%w: there is no apt-get; install what your system calls %s", ErrCannotInstall, list)
	case os.Geteuid() != 0:
		return fmt.Errorf("%w: not root; run: sudo apt-get install --no-install-recommends %s", ErrCannotInstall, list)
	}
	run := func(args ...string) error {
		cmd := exec.CommandContext(ctx, apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = log, log
		return cmd.Run()
	}
	install := append([]string{"install", "-y", "-q", "--no-install-recommends"}, debianPackages...)
	if run(install...) == nil {
		return nil
	}
	if err := run("update", "-q"); err != nil {
		return fmt.Errorf("apt-get update, before installing %s: %w", list, err)
	}
	if err := run(install...); err != nil {
		return fmt.Errorf("apt-get install %s: %w", list, err)
	}
	return nil
}
