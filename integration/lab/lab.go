// Package lab builds small networks out of network namespaces, runs programs in them and measures what comes through.
//
// A [Lab] owns everything it makes: namespaces (named vpngw-ID-ROLE with a random ID), the veth pairs between them, the
// processes started in them and a temporary directory. [Lab.Close] removes all of it, and so does the death of this process by
// any cause (Ctrl-C, panic, kill -9), because a small helper process outlives it for as long as that takes. The network
// namespace of the caller is never configured, but for a device that [Namespace.Take] is told to take from it; namespaces are only
// created beside it.
//
// [TwoSites] and [Hub] build the usual topologies; [Namespace] has the primitives for others. The package needs root, the ip
// program and /dev/net/tun; [Available] says what is missing. It does not import testing, so that a command may use it.
package lab

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
)

// ErrUnavailable is wrapped by the error of [Available] and [New] on a machine that cannot run a lab.
var ErrUnavailable = errors.New("no lab on this machine")

// errClosed is the answer of a lab, and of its namespaces, after [Lab.Close].
var errClosed = errors.New("the lab is closed")

// Lab is a set of namespaces with what runs in them. All its methods, and those of its namespaces, may be called by any goroutine.
type Lab struct {
	id     string
	dir    string
	reaper *reaper

	mu         sync.Mutex // guards what follows
	namespaces []*Namespace
	processes  []*Process
	captures   []*Capture
	closed     bool
}

// Available reports whether this process may build a lab: nil, or an error that wraps [ErrUnavailable] and says why not.
func Available() error {
	if uid := os.Geteuid(); uid != 0 {
		return fmt.Errorf("%w: network namespaces need root, this is user %d; run as root", ErrUnavailable, uid)
	}
	if _, err := lookTool("ip"); err != nil {
		return fmt.Errorf("%w: the program ip is not installed; apt-get install iproute2", ErrUnavailable)
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		return fmt.Errorf("%w: %v; load the tun module, or give the container the device", ErrUnavailable, err)
	}
	return nil
}

// New starts an empty lab. The caller must Close it.
func New() (*Lab, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	var random [4]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("lab id: %w", err)
	}
	id := hex.EncodeToString(random[:])
	dir, err := os.MkdirTemp("", namePrefix+id+"-")
	if err != nil {
		return nil, fmt.Errorf("lab directory: %w", err)
	}
	r, err := startReaper(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Lab{id: id, dir: dir, reaper: r}, nil
}

// ID is the random part of the lab's namespace names.
func (l *Lab) ID() string { return l.id }

// Dir is a directory, mode 0700, that lasts as long as the lab: for keys, tunnel files and sockets. The outputs of
// processes are captured in it as well.
func (l *Lab) Dir() string { return l.dir }

// Close kills every process, ends every capture and removes every namespace and the directory. It may be called in any
// state, more than once and by several goroutines; the first call does the work.
func (l *Lab) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	processes, captures, namespaces := l.processes, l.captures, l.namespaces
	l.mu.Unlock()

	for _, c := range captures {
		c.Stop()
	}
	for _, p := range processes {
		p.Kill()
	}
	for _, n := range namespaces {
		n.release()
	}
	return l.reaper.finish()
}

// use runs f while the lab is certainly open.
func (l *Lab) use(f func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	return f()
}
