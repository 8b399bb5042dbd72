package integration

import (
	"fmt"
	"testing"

	"vpngw/integration/lab"
)

// lroDevice adds a device that has LRO to be switched, and an address of site A's inside. A veth has none. A bond or a team of
// no devices can have it in force; a macvlan, which every kernel has, only asks for it.
func lroDevice(t *testing.T, p *pair) (device string) {
	t.Helper()
	const name = "lro0"
	for _, kind := range [][]string{{"type", "bond"}, {"type", "team"}, {"link", lab.LAN, "type", "macvlan", "mode", "bridge"}} {
		_, err := p.A.Gateway.Run(t.Context(), append([]string{"ip", "link", "add", "name", name}, kind...)...)
		if err != nil {
			t.Logf("%v: %v", kind, err)
			continue
		}
		must(t, p.A.Gateway.LinkUp(name, true))
		_, err = p.A.Gateway.Run(t.Context(), "ip", "addr", "add", "10.1.0.129/25", "dev", name)
		must(t, err)
		return name
	}
	t.Fatal("no device with LRO could be made")
	return ""
}

// TestDoctorLRO switches LRO on, as another program might, on a device that leads to the hosts. In force, it is found, is an
// error, and is gone after the printed command. Where the kernel only notes that it is asked for, nothing is found, yet it is
// shown, and the command that takes it back works as well.
func TestDoctorLRO(t *testing.T) {
	t.Parallel()
	needLab(t, "ethtool")
	var device string
	p := newPair(t, pairOptions{before: func(p *pair) {
		wellKept(t, p)
		device = lroDevice(t, p)
	}})
	const lro, command = "rx-lro", "ethtool -K %s rx-lro off"
	shown := func() string { return shownOffloads(t, p)[device]["large-receive-offload"] }
	if d := doctor(t, p.a); !d.Healthy || shown() != "off" {
		t.Fatalf("before: LRO is %s, %+v", shown(), d)
	}
	plant := func() error { return p.A.Gateway.Feature(device, lro, true) }
	must(t, plant())
	switch state := shown(); state {
	case "on":
		must(t, p.A.Gateway.Feature(device, lro, false))
		fault{"lro", "error", device, "LRO", plant, func() error { return nil }}.check(t, p)
	case "off [requested on]":
		t.Logf("%s cannot have LRO in force", device)
		if d := doctor(t, p.a); !d.Healthy || len(d.Findings) > 0 {
			t.Errorf("%+v", d)
		}
		must(t, shell(t, p.A.Gateway, fmt.Sprintf(command, device))())
	default:
		t.Fatalf("LRO is %s after it was switched on", state)
	}
	if state := shown(); state != "off" {
		t.Errorf("LRO is %s after it was switched off", state)
	}
}
