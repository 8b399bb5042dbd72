//go:build linux

package tun

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vpngw/offload/ethtool"
)

func TestOpen(t *testing.T) {
	namespaces(t, 1, func([]*site) {
		for _, o := range []Options{{Name: "vpn0", MTU: 1400}, {Name: "vpn%d", MTU: 65535}, {}} {
			dev, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			attrs := linkOf(t, dev.Name()).Attrs()
			wantMTU := o.MTU
			if wantMTU == 0 {
				wantMTU = 1500
			}
			if attrs.MTU != wantMTU || dev.MTU() != wantMTU || attrs.Index != dev.Index() {
				t.Errorf("%+v: MTU %d and %d, index %d and %d", o, attrs.MTU, dev.MTU(), attrs.Index, dev.Index())
			}
			if n, err := unix.IoctlGetInt(dev.FD(), unix.TUNGETVNETHDRSZ); n != HeaderLen || err != nil {
				t.Errorf("virtio header of %d bytes, %v", n, err)
			}
			features, err := ethtool.Features(dev.Name())
			if err != nil {
				t.Fatal(err)
			}
			f := dev.Features()
			got := Features{
				Checksum: features[ethtool.TxChecksumIPGeneric].On,
				TSO4:     features[ethtool.TxTCPSegmentation].On,
				TSO6:     features[ethtool.TxTCP6Segmentation].On,
				TSOECN:   features[ethtool.TxTCPECN].On,
				USO:      features[ethtool.TxUDPSegmentation].On,
				MangleID: features[ethtool.TxTCPMangleID].On,
			}
			if f != got {
				t.Errorf("says %s, the interface has %s", f, got)
			}
			for range 2 {
				if err := dev.Close(); err != nil {
					t.Error(err)
				}
			}
			if _, err := netlink.LinkByName(dev.Name()); err == nil {
				t.Errorf("%s is still there after Close", dev.Name())
			}
			if _, err := dev.Read(make([]byte, 100)); err != unix.EBADF {
				t.Errorf("Read after Close: %v", err)
			}
			if err := dev.Write([][]byte{make([]byte, 100)}); err != unix.EBADF {
				t.Errorf("Write after Close: %v", err)
			}
		}
	})
}

// A persistent device keeps what its last owner set; we need our own.
func TestAdoptPersistent(t *testing.T) {
	namespaces(t, 1, func([]*site) {
		first, err := Open(Options{Name: "kept"})
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.IoctlSetInt(first.FD(), unix.TUNSETPERSIST, 1); err != nil {
			t.Fatal(err)
		}
		if err := unix.IoctlSetPointerInt(first.FD(), unix.TUNSETVNETHDRSZ, 12); err != nil {
			t.Fatal(err)
		}
		if err := unix.IoctlSetPointerInt(first.FD(), unix.TUNSETVNETLE, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Options{Name: "kept"}); !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), `"kept"`) || !strings.Contains(err.Error(), "another process") {
			t.Errorf("device in use: %v", err)
		}
		index := first.Index()
		first.Close()
		second, err := Open(Options{Name: "kept", MTU: 1300, DisableTSO: true})
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		if n, err := unix.IoctlGetInt(second.FD(), unix.TUNGETVNETHDRSZ); n != HeaderLen || err != nil {
			t.Errorf("virtio header of %d bytes, %v", n, err)
		}
		if le, err := unix.IoctlGetInt(second.FD(), unix.TUNGETVNETLE); le != 0 || err != nil {
			t.Errorf("little-endian flag %d, %v", le, err)
		}
		if second.Index() != index || second.MTU() != 1300 || second.Features().TSO4 {
			t.Errorf("index %d, MTU %d, %s", second.Index(), second.MTU(), second.Features())
		}
		if err := unix.IoctlSetInt(second.FD(), unix.TUNSETPERSIST, 0); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		o    Options
		text string
	}{
		{Options{Name: "sixteen-letters-"}, "at most 15"},
		{Options{MTU: 67}, "MTU 67"},
		{Options{MTU: 65536}, "MTU 65536"},
		{Options{TxQueueLen: -1}, "queue length -1"},
	} {
		if _, err := Open(c.o); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	namespaces(t, 1, func([]*site) {
		before := openFiles(t)
		for _, name := range []string{"lo", "a/b", "a b"} {
			if _, err := Open(Options{Name: name}); !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), name) {
				t.Errorf("%q: %v", name, err)
			}
		}
		if after := openFiles(t); after != before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	})
	for errno, hint := range map[unix.Errno]string{
		unix.ENOENT: "modprobe tun", unix.ENODEV: "modprobe tun", unix.EACCES: "CAP_NET_ADMIN", unix.EMFILE: cloneDevice,
	} {
		if err := explainOpen(errno); !errors.Is(err, errno) || !strings.Contains(err.Error(), hint) {
			t.Errorf("open: %v", err)
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestOpenWithoutPermission(t *testing.T) {
	namespaces(t, 1, func([]*site) {
		before, restore := dropNetAdmin(t)
		_, err := Open(Options{Name: "denied"})
		restore()
		if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			t.Errorf("%v (capabilities before: %x)", err, before)
		}
	})
}

// dropNetAdmin takes CAP_NET_ADMIN from the effective set of this thread, which
// is locked, until restore.
func dropNetAdmin(t *testing.T) (before uint32, restore func()) {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	full := data
	data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
	if err := unix.Capset(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	return full[0].Effective, func() {
		if err := unix.Capset(&header, &full[0]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDownAndDeleted(t *testing.T) {
	namespaces(t, 1, func(sites []*site) {
		dev := sites[0].open(t, Options{Name: "gone"}, "10.8.0.1/24")
		buf := make([]byte, HeaderLen+65535)
		packet := [][]byte{echo()}
		poll := func() int16 {
			fds := []unix.PollFd{{Fd: int32(dev.FD()), Events: unix.POLLIN | unix.POLLOUT}}
			if _, err := unix.Poll(fds, 0); err != nil {
				t.Fatal(err)
			}
			return fds[0].Revents &^ unix.POLLIN
		}
		if got := poll(); got != unix.POLLOUT {
			t.Errorf("up: poll says %#x", got)
		}
		link := linkOf(t, "gone")
		if err := netlink.LinkSetDown(link); err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := dev.Read(buf); err != nil {
				if err != ErrWouldBlock {
					t.Errorf("down: Read: %v", err)
				}
				break
			}
		}
		if err := dev.Write(packet); err != unix.EIO {
			t.Errorf("down: Write: %v", err)
		}
		if got := poll(); got != 0 {
			t.Errorf("down: poll says %#x", got)
		}
		up(t, "gone")
		if err := dev.Write(packet); err != nil {
			t.Errorf("up again: Write: %v", err)
		}
		if err := netlink.LinkDel(link); err != nil {
			t.Fatal(err)
		}
		if _, err := dev.Read(buf); err != unix.EBADFD {
			t.Errorf("deleted: Read: %v", err)
		}
		if err := dev.Write(packet); err != unix.EBADFD {
			t.Errorf("deleted: Write: %v", err)
		}
		if got := poll(); got != unix.POLLERR {
			t.Errorf("deleted: poll says %#x", got)
		}
		if err := dev.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// Registered with the Go runtime's epoll, the device would wake it for every
// packet, which is none of its business.
func TestNotInNetpoller(t *testing.T) {
	namespaces(t, 1, func([]*site) {
		dev, err := Open(Options{Name: "quiet"})
		if err != nil {
			t.Fatal(err)
		}
		defer dev.Close()
		// Something that is in it, to know that this test can see it.
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		raw, err := r.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) {
			if !polled(t, int(fd)) {
				t.Error("a pipe is not seen in the netpoller")
			}
		}); err != nil {
			t.Fatal(err)
		}
		if polled(t, dev.FD()) {
			t.Error("the device is in the netpoller")
		}
	})
}

// polled reports whether any epoll instance of this process watches fd.
func polled(t *testing.T, fd int) bool {
	t.Helper()
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		text, err := os.ReadFile(info)
		if err != nil {
			continue // closed meanwhile
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "tfd:" && f[1] == strconv.Itoa(fd) {
				return true
			}
		}
	}
	return false
}

// The library's goroutines end with Close, whatever became of the device.
func TestCloseEndsGoroutines(t *testing.T) {
	namespaces(t, 1, func([]*site) {
		before := runtime.NumGoroutine()
		for range 5 {
			dev, err := Open(Options{Name: "brief"})
			if err != nil {
				t.Fatal(err)
			}
			up(t, "brief") // an event that somebody must take
			dev.Close()
		}
		eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
	})
}

func TestLadder(t *testing.T) {
	const tcp = unix.TUN_F_TSO4 | unix.TUN_F_TSO6
	for name, c := range map[string]struct {
		o    Options
		want []int
	}{
		"all": {Options{}, []int{
			unix.TUN_F_CSUM | tcp | unix.TUN_F_TSO_ECN | usoFlags,
			unix.TUN_F_CSUM | tcp | unix.TUN_F_TSO_ECN,
			unix.TUN_F_CSUM | tcp,
			unix.TUN_F_CSUM | unix.TUN_F_TSO4,
			unix.TUN_F_CSUM,
			0,
		}},
		"no TSO":      {Options{DisableTSO: true}, []int{unix.TUN_F_CSUM | usoFlags, unix.TUN_F_CSUM, 0}},
		"no TSO, USO": {Options{DisableTSO: true, DisableUSO: true}, []int{unix.TUN_F_CSUM, 0}},
		"nothing":     {Options{DisableChecksum: true}, []int{0}},
	} {
		got := ladder(c.o)
		if len(got) != len(c.want) {
			t.Errorf("%s: %x, want %x", name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: step %d is %x, want %x", name, i, got[i], c.want[i])
			}
		}
	}
}

func TestFeaturesString(t *testing.T) {
	for want, f := range map[string]Features{
		"none":          {},
		"checksum tso4": {Checksum: true, TSO4: true},
		"checksum tso4 tso6 tso-ecn uso mangleid": {true, true, true, true, true, true},
	} {
		if got := f.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
