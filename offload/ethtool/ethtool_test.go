//go:build linux

package ethtool

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// withVeth runs f on a thread in a fresh network namespace that has a veth
// device "wire".
func withVeth(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ns.Close()
		if err := netns.Set(home); err != nil {
			t.Fatalf("back to the first namespace: %v", err) // the thread stays locked and dies
		}
		home.Close()
		runtime.UnlockOSThread()
	}()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "wire"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "peer"}); err != nil {
		t.Fatal(err)
	}
	f()
}

func TestSetAndFeatures(t *testing.T) {
	withVeth(t, func() {
		for _, on := range []bool{false, true, true} {
			if err := Set("wire", TxChecksumIPGeneric, on); err != nil {
				t.Fatal(err)
			}
			features, err := Features("wire")
			if err != nil {
				t.Fatal(err)
			}
			if f := features[TxChecksumIPGeneric]; f != (Feature{On: on, Requested: on, Available: true}) {
				t.Errorf("switched %t: %+v", on, f)
			}
			// Segmenting needs checksums, so it is asked for but not in force.
			if f := features[TxTCPSegmentation]; f.On != on || !f.Requested {
				t.Errorf("checksum switched %t: TSO is %+v", on, f)
			}
		}
	})
}

// The tool of the same name must read what we read.
func TestFeaturesAsTheToolSaysThem(t *testing.T) {
	if _, err := exec.LookPath("ethtool"); err != nil {
		t.Skip("the ethtool program is not installed")
	}
	withVeth(t, func() {
		features, err := Features("wire")
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("ethtool", "-k", "wire").Output()
		if err != nil {
			t.Fatal(err)
		}
		compared := 0
		for line := range strings.Lines(string(out)) {
			name, state, _ := strings.Cut(strings.TrimSpace(line), ": ")
			f, ok := features[name]
			if !ok {
				continue // a heading, or one of the tool's own groups
			}
			compared++
			if f.On != strings.HasPrefix(state, "on") {
				t.Errorf("%s: the tool says %q, we say %+v", name, state, f)
			}
			if fixed := f.Fixed || !f.Available; fixed != strings.Contains(state, "[fixed]") {
				t.Errorf("%s: the tool says %q, we say %+v", name, state, f)
			}
		}
		if compared < 20 {
			t.Errorf("only %d features compared", compared)
		}
	})
}

func TestErrorsNameInterfaceAndFeature(t *testing.T) {
	withVeth(t, func() {
		for _, c := range []struct {
			ifname, feature string
			on              bool
			want            error
		}{
			{"no-such-if", TxChecksumIPGeneric, true, unix.ENODEV},
			{"wire-of-too-long-a-name", TxChecksumIPGeneric, true, unix.ENODEV},
			{"", TxChecksumIPGeneric, true, unix.ENODEV},
			{"wire", "tx-no-such-feature", true, ErrUnknownFeature},
			{"lo", TxChecksumIPGeneric, false, ErrNotChanged}, // fixed
		} {
			err := Set(c.ifname, c.feature, c.on)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.ifname) || !strings.Contains(err.Error(), c.feature) {
				t.Errorf("Set(%q, %q): %v", c.ifname, c.feature, err)
			}
		}
		if _, err := Features("no-such-if"); !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), "no-such-if") {
			t.Errorf("Features: %v", err)
		}
	})
}

func TestSetWithoutPermission(t *testing.T) {
	withVeth(t, func() {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var full [2]unix.CapUserData
		if err := unix.Capget(&header, &full[0]); err != nil {
			t.Fatal(err)
		}
		less := full
		less[0].Effective &^= 1 << unix.CAP_NET_ADMIN
		if err := unix.Capset(&header, &less[0]); err != nil {
			t.Fatal(err)
		}
		err := Set("wire", TxChecksumIPGeneric, false)
		if back := unix.Capset(&header, &full[0]); back != nil {
			t.Fatal(back)
		}
		if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			t.Errorf("%v", err)
		}
	})
}
