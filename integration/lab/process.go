package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Spec is a program to run inside a namespace.
type Spec struct {
	Args []string // program and arguments
	Env  []string // added to this process's environment, "NAME=value"
}

// Process is a program running inside a namespace, in a process group of its own. Its outputs go to files in [Lab.Dir].
type Process struct {
	name           string
	cmd            *exec.Cmd
	stdout, stderr string
	done           chan struct{}

	mu     sync.Mutex // held while a signal is sent, so that the process is not reaped meanwhile
	exited bool
}

// Start runs a program inside the namespace. It lives until it ends, is killed, or the lab is closed.
func (n *Namespace) Start(s Spec) (*Process, error) {
	if len(s.Args) == 0 {
		return nil, fmt.Errorf("start in %s: no program given", n.Name)
	}
	ip, err := lookTool("ip")
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	cpus := n.cpus
	n.mu.Unlock()
	args := []string{"netns", "exec", n.Name}
	if len(cpus) > 0 {
		list := make([]string, len(cpus))
		for i, c := range cpus {
			list[i] = strconv.Itoa(c)
		}
		args = append(args, "taskset", "-c", strings.Join(list, ","))
	}
	cmd := exec.Command(ip, append(args, s.Args...)...)
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	p := &Process{name: filepath.Base(s.Args[0]), cmd: cmd, done: make(chan struct{})}
	if err := n.lab.use(func() error { return p.start(n) }); err != nil {
		return nil, fmt.Errorf("start %s in %s: %w", strings.Join(s.Args, " "), n.Name, err)
	}
	return p, nil
}

// start opens the output files and starts the command. The lab's lock is held.
func (p *Process) start(n *Namespace) error {
	base := filepath.Join(n.lab.dir, fmt.Sprintf("%s-%s-%d", n.Role, p.name, len(n.lab.processes)))
	p.stdout, p.stderr = base+".stdout", base+".stderr"
	out, err := os.Create(p.stdout)
	if err != nil {
		return err
	}
	defer out.Close()
	diagnostics, err := os.Create(p.stderr)
	if err != nil {
		return err
	}
	defer diagnostics.Close()
	p.cmd.Stdout, p.cmd.Stderr = out, diagnostics
	if err := p.cmd.Start(); err != nil {
		return err
	}
	n.lab.processes = append(n.lab.processes, p)
	go p.wait()
	return nil
}

// wait reaps the process. It learns of the end without reaping first, so that no signal can go to a stranger of the same number.
func (p *Process) wait() {
	waitExit(p.cmd.Process.Pid)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exited = true
	_ = p.cmd.Wait() // the state is kept in ProcessState
	close(p.done)
}

// PID is the process number, valid until the process has ended.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running tells whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// ExitCode is the exit code of a process that has ended: -1 if a signal killed it, or while it runs.
func (p *Process) ExitCode() int {
	if p.Running() {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

// Signal sends a signal to the process alone; nothing happens if it has ended.
func (p *Process) Signal(s syscall.Signal) { p.signal(p.cmd.Process.Pid, s) }

func (p *Process) signal(pid int, s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.exited {
		_ = syscall.Kill(pid, s)
	}
}

// Kill kills the whole process group with SIGKILL and waits for the process to be gone.
func (p *Process) Kill() {
	p.signal(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// Stop sends SIGTERM, waits, and kills after the grace time. It returns the exit code, -1 if a signal ended the process.
func (p *Process) Stop(grace time.Duration) int {
	p.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.Kill()
	}
	return p.ExitCode()
}

// Stdout is what the process has written to its standard output so far.
func (p *Process) Stdout() string { return readAll(p.stdout) }

// Stderr is what the process has written to its standard error so far.
func (p *Process) Stderr() string { return readAll(p.stderr) }

// Tail is the last lines of standard error.
func (p *Process) Tail(lines int) string {
	all := strings.Split(strings.TrimRight(p.Stderr(), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func readAll(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Run runs a program inside the namespace to its end and returns its standard output. An exit code other than 0 is an
// *[ExitError]; the end of the context kills the program.
func (n *Namespace) Run(ctx context.Context, args ...string) (string, error) {
	p, err := n.Start(Spec{Args: args})
	if err != nil {
		return "", err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		p.Kill()
		return p.Stdout(), fmt.Errorf("%s in %s: %w", args[0], n.Name, ctx.Err())
	}
	if code := p.ExitCode(); code != 0 {
		return p.Stdout(), &ExitError{Args: args, Namespace: n.Name, Code: code, Stderr: strings.TrimSpace(p.Stderr())}
	}
	return p.Stdout(), nil
}

// ExitError is the failure of a program that ran to its end.
type ExitError struct {
	Args      []string
	Namespace string
	Code      int // -1: killed by a signal
	Stderr    string
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("%s in %s: exit code %d: %s", strings.Join(e.Args, " "), e.Namespace, e.Code, e.Stderr)
}
