//go:build linux

package udp

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

func TestProbe(t *testing.T) {
	full, err := Probe(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", full)
	if full.Segment != (full.MaxSegments >= DefaultSegments) || full.Segment && full.GRO != (full.Why == "") {
		t.Errorf("contradicts itself: %+v", full)
	}
	none, err := Probe(Options{DisableSegment: true, DisableGRO: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Support{MaxSegments: 1, Why: "UDP_SEGMENT: disabled; UDP_GRO: disabled"}); none != want {
		t.Errorf("with all disabled: %+v", none)
	}
}

func TestProbePairFindsFaults(t *testing.T) {
	pair, err := newProbePair(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pair.close()
	train := probeTrain{size: 1000, count: 3, last: 10}
	send := func(f sendmsg) error {
		pair.from.out.sendmsg = f
		_, err := pair.pass(train)
		for pair.to.Recv(pair.recvBuffer, new(Datagrams)) == nil {
		}
		return err
	}
	if err := send(rawSendmsg); err != nil {
		t.Errorf("sound: %v", err)
	}
	if err := send(func(fd int, msg *unix.Msghdr) unix.Errno {
		defer func(b *byte) { *b ^= 1 }(&pair.sent[1500])
		pair.sent[1500] ^= 1
		return rawSendmsg(fd, msg)
	}); !errors.Is(err, errDamaged) {
		t.Errorf("one bit damaged: %v", err)
	}
	if err := send(func(fd int, msg *unix.Msghdr) unix.Errno {
		pair.from.out.control.putSegment(990)
		return rawSendmsg(fd, msg)
	}); !errors.Is(err, errDamaged) {
		t.Errorf("cut at the wrong length: %v", err)
	}
	if err := send(func(int, *unix.Msghdr) unix.Errno { return 0 }); !errors.Is(err, errMissing) {
		t.Errorf("lost: %v", err)
	}
}

func TestProbeNeedsLoopback(t *testing.T) {
	namespace(t, func(netns.NsHandle) {
		link, err := netlink.LinkByName("lo")
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetDown(link); err != nil {
			t.Fatal(err)
		}
		support, err := Probe(Options{})
		if err == nil || support != (Support{MaxSegments: 1}) {
			t.Errorf("%+v, %v", support, err)
		}
	})
}
