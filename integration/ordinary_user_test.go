package integration

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// nobody is the user and the group that the tests below run a gateway as.
const nobody = 65534

// asUser is a command that runs another one as an ordinary user with these capabilities and no others. The TUN device's file is
// one that everybody may open, as udev makes it; the mount is seen by this process and its children alone.
func asUser(capabilities ...string) []string {
	set := "-all"
	for _, c := range capabilities {
		set += ",+" + c
	}
	return []string{"sh", "-c", `mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 &&
exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --inh-caps="$0" --ambient-caps="$0" --bounding-set="$0" "$@"`, set}
}

// handOver gives a gateway's files to the user, with a program that it may run.
func handOver(t *testing.T, p *pair, g *daemon.Gateway) {
	t.Helper()
	must(t, os.Chmod(p.Dir(), 0o711))
	g.Binary = filepath.Join(p.Dir(), "vpngw")
	must(t, os.Link(program, g.Binary))
	must(t, filepath.WalkDir(g.Dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, nobody, nobody))
	}))
}

// TestOrdinaryUser runs gateway A as an ordinary user with CAP_NET_ADMIN alone. Its tunnel comes up and carries everything, it
// mends what it was told to mend and takes that back; and a doctor that may do less says what it may not.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	needLab(t, "setpriv")
	const feature = "rx-udp-gro-forwarding"
	state := func(p *pair) bool {
		features, err := p.A.Gateway.Features(lab.LAN)
		must(t, err)
		return features[feature]
	}
	p := newPair(t, pairOptions{stopped: true, edit: func(a, _ *daemon.Config) {
		a.Gateway = append(a.Gateway, "offload: {manage: fix}")
	}, before: func(p *pair) {
		wellKept(t, p)
		must(t, p.A.Gateway.Feature(lab.LAN, feature, false))
	}})
	handOver(t, p, p.a)
	mayNotMend(t, p, asUser())
	if state(p) {
		t.Error("a doctor without the capability switched it on")
	}
	p.a.Prefix = asUser("net_admin")
	must(t, p.a.Start())
	must(t, p.b.Start())
	p.waitUp()
	checkStream(t, p.A.Host, p.B.Host, p.B.Host4, 4<<20)
	checkStream(t, p.B.Host, p.A.Host, p.A.Host6, 4<<20)
	checkUDP(t, p.A.Host, p.B.Host, p.B.Host4)
	must(t, lab.Poll(t.Context(), 10*time.Second, func() error {
		if !state(p) {
			return errors.New("it is not mended")
		}
		return nil
	}))
	s := status(t, p.a)
	large(t, "A's TUN reads", s.Edges.TunRead.BytesPerCall())
	large(t, "A's sends", s.Edges.UDPSend.BytesPerCall())

	if code := p.a.Stop(stopGrace); code != 0 || state(p) {
		t.Errorf("exit code %d, the feature is still on: %t", code, state(p))
	}
}

// mayNotMend runs doctor --fix on gateway A's tunnel file as one who may not: it says of each thing that it would mend what it
// lacks, and of what it cannot see, why.
func mayNotMend(t *testing.T, p *pair, as []string) {
	t.Helper()
	out, err := p.A.Gateway.Run(t.Context(), append(as, p.a.Binary, "doctor", p.a.File(), "--fix", "--json")...)
	exit := new(lab.ExitError)
	if !errors.As(err, &exit) || exit.Code != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	var d struct {
		Findings []finding
		Fixed    []struct{ ID, Failed string }
		Unseen   []string
	}
	must(t, json.Unmarshal([]byte(out), &d))
	if len(d.Fixed) == 0 || len(d.Findings) == 0 || len(d.Unseen) == 0 {
		t.Errorf("fixed %v, found %v, unseen %v", d.Fixed, d.Findings, d.Unseen)
	}
	for _, f := range d.Fixed {
		t.Logf("%s: %s", f.ID, f.Failed)
		if !strings.Contains(f.Failed, "not permitted") || !strings.Contains(f.Failed, "CAP_NET_ADMIN") {
			t.Errorf("%s: it says %q, and not what it lacks", f.ID, f.Failed)
		}
	}
	for _, u := range d.Unseen {
		t.Logf("unseen: %s", u)
	}
}
