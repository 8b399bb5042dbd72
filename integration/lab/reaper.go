package lab

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// reaper removes the lab's traces. It is a process of its own, in its own session, that is told each name before the thing
// is made and acts when its standard input ends: at Close or with the death of this process, whatever killed it.
type reaper struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr bytes.Buffer

	finished sync.Once
	err      error
}

// reaperScript gets this process's id and the lab directory. The owner's id is spared: one of its threads may be inside a
// namespace at that moment. Processes are looked for several times: ip stops at one that ends while it looks.
const reaperScript = `
trap '' INT TERM HUP QUIT
owner=$1 dir=$2 spaces=
while read -r name; do spaces="$spaces $name"; done
for name in $spaces; do
  [ -e "/run/netns/$name" ] || continue
  for try in 1 2 3; do
    for pid in $("$3" netns pids "$name" 2>/dev/null); do
      [ "$pid" = "$owner" ] || kill -9 "$pid" 2>/dev/null
    done
  done
  "$3" netns del "$name"
done
rm -rf "$dir"
`

func startReaper(dir string) (*reaper, error) {
	ip, err := lookTool("ip")
	if err != nil {
		return nil, err
	}
	r := &reaper{cmd: exec.Command("/bin/sh", "-c", reaperScript, "vpngw-lab-reaper", strconv.Itoa(os.Getpid()), dir, ip)}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	r.cmd.Stderr = &r.stderr
	r.cmd.Dir = "/"
	if r.stdin, err = r.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("lab reaper: %w", err)
	}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("lab reaper: %w", err)
	}
	return r, nil
}

// watch tells the reaper the name of a namespace about to be made.
func (r *reaper) watch(namespace string) error {
	if _, err := fmt.Fprintln(r.stdin, namespace); err != nil {
		return fmt.Errorf("lab reaper: %w", err)
	}
	return nil
}

// finish makes the reaper do its work and waits for it.
func (r *reaper) finish() error {
	r.finished.Do(func() {
		r.stdin.Close()
		err := r.cmd.Wait()
		if text := strings.TrimSpace(r.stderr.String()); err != nil || text != "" {
			r.err = fmt.Errorf("removing the lab: %v %s", err, text)
		}
	})
	return r.err
}
