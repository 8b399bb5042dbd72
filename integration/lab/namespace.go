package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namePrefix starts the name of everything a lab makes outside its own namespaces.
const namePrefix = "vpngw-"

// Namespace is one network namespace of a lab: a machine, as far as the network is concerned.
type Namespace struct {
	// Name is what `ip netns` calls it: vpngw-ID-ROLE.
	Name string
	// Role is the part of the name given by the caller, such as "gwa".
	Role string

	lab *Lab

	mu       sync.Mutex // guards what follows
	handle   netns.NsHandle
	links    *netlink.Handle
	peers    map[string]End
	cpus     []int
	released bool
}

// hostSysctls make a namespace quiet and predictable: addresses usable at once, no router discovery, no reverse-path filter of
// the kernel's that would hide a gateway's own checks, and a TCP that is none but the one asked for: iperf3 asks when it has
// connected, and a connection that began with bbr, where that is the default, goes on pacing itself with a timer for each
// superpacket, which costs a quarter of all and is measured with it.
var hostSysctls = [][2]string{
	{"net.ipv6.conf.all.accept_dad", "0"},
	{"net.ipv6.conf.default.accept_dad", "0"},
	{"net.ipv6.conf.all.accept_ra", "0"},
	{"net.ipv6.conf.default.accept_ra", "0"},
	{"net.ipv6.conf.default.router_solicitations", "0"},
	{"net.ipv4.conf.all.rp_filter", "0"},
	{"net.ipv4.conf.default.rp_filter", "0"},
	{"net.ipv4.conf.all.send_redirects", "0"},
	{"net.ipv4.conf.default.send_redirects", "0"},
	{"net.ipv4.tcp_congestion_control", "reno"},
}

// Namespace makes a new network namespace with its loopback device up. The role is a short lower-case word, unique in the lab.
func (l *Lab) Namespace(role string) (*Namespace, error) {
	n := &Namespace{Name: namePrefix + l.id + "-" + role, Role: role, lab: l, handle: netns.None(), peers: map[string]End{}}
	err := l.use(func() error {
		if err := l.reaper.watch(n.Name); err != nil {
			return err
		}
		l.namespaces = append(l.namespaces, n)
		return n.create()
	})
	if err != nil {
		return nil, fmt.Errorf("namespace %s: %w", n.Name, err)
	}
	for _, s := range hostSysctls {
		if err := n.Sysctl(s[0], s[1]); err != nil {
			return nil, err
		}
	}
	if err := n.LinkUp("lo", true); err != nil {
		return nil, err
	}
	return n, nil
}

func (n *Namespace) create() error {
	ip, err := lookTool("ip")
	if err != nil {
		return err
	}
	if out, err := exec.Command(ip, "netns", "add", n.Name).CombinedOutput(); err != nil {
		return fmt.Errorf("ip netns add: %w: %s", err, strings.TrimSpace(string(out)))
	}
	if n.handle, err = netns.GetFromName(n.Name); err != nil {
		return fmt.Errorf("opening it: %w", err)
	}
	if n.links, err = netlink.NewHandleAt(n.handle); err != nil {
		return fmt.Errorf("netlink socket in it: %w", err)
	}
	return nil
}

// release gives back what this process holds of the namespace.
func (n *Namespace) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.released = true
	if n.links != nil {
		n.links.Close()
	}
	if n.handle.IsOpen() {
		n.handle.Close()
	}
}

// errNoReturn is the result of a function that ended its goroutine inside [Namespace.Do].
var errNoReturn = errors.New("the function did not return")

// Do runs f on an operating system thread that is inside the namespace and returns its error. Sockets opened by f itself stay
// in the namespace and may be used by any goroutine afterwards; goroutines started by f are not inside it.
func (n *Namespace) Do(f func() error) error {
	result := make(chan error, 1)
	go func() {
		err := errNoReturn
		defer func() { result <- err }()
		// A thread that cannot go home again stays locked and dies with this goroutine.
		runtime.LockOSThread()
		home, e := netns.Get()
		if e != nil {
			err = fmt.Errorf("current namespace: %w", e)
			return
		}
		defer home.Close()
		if e := n.enter(); e != nil {
			runtime.UnlockOSThread()
			err = e
			return
		}
		defer func() {
			if netns.Set(home) == nil {
				runtime.UnlockOSThread()
			}
		}()
		err = f()
	}()
	return <-result
}

// enter moves the calling thread into the namespace.
func (n *Namespace) enter() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.released {
		return fmt.Errorf("entering namespace %s: %w", n.Name, errClosed)
	}
	if err := netns.Set(n.handle); err != nil {
		return fmt.Errorf("entering namespace %s: %w", n.Name, err)
	}
	return nil
}

// Sysctl sets a network sysctl such as "net.ipv4.ip_forward" in the namespace. Device names with dots are not supported.
func (n *Namespace) Sysctl(key, value string) error {
	path := "/proc/sys/" + strings.ReplaceAll(key, ".", "/")
	err := n.Do(func() error { return os.WriteFile(path, []byte(value), 0o644) })
	if err != nil {
		return fmt.Errorf("sysctl %s=%s in %s: %w", key, value, n.Name, err)
	}
	return nil
}

// Forward makes the namespace a router for IPv4 and IPv6.
func (n *Namespace) Forward() error {
	return errors.Join(n.Sysctl("net.ipv4.ip_forward", "1"), n.Sysctl("net.ipv6.conf.all.forwarding", "1"))
}

// Pin makes processes started in the namespace from now on run on the given processors only; none means all.
func (n *Namespace) Pin(cpus ...int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cpus = cpus
}

// PinThread makes the calling goroutine run on the processors of [Namespace.Pin], if there are any, for traffic that this process
// makes itself. The goroutine keeps its thread and must end with it.
func (n *Namespace) PinThread() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.cpus) == 0 {
		return nil
	}
	runtime.LockOSThread()
	var set unix.CPUSet
	for _, c := range n.cpus {
		set.Set(c)
	}
	return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(0, &set))
}
