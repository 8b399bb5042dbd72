//go:build linux

// Package ethtool reads and sets the offload features of a network interface,
// by the same ioctls as `ethtool -k` and `ethtool -K`.
//
// All functions act in the network namespace of the calling thread, open and
// close their own socket, and may be called by any goroutine. They allocate
// and are not for a hot path.
package ethtool

import (
	"errors"
	"fmt"

	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"
)

// Names of the features that the gateway reads or sets, as the kernel spells
// them (net/ethtool/common.c). Any other name of `ethtool -k` is as good.
const (
	TxChecksumIPGeneric = "tx-checksum-ip-generic"
	TxTCPSegmentation   = "tx-tcp-segmentation"
	TxTCP6Segmentation  = "tx-tcp6-segmentation"
	TxTCPECN            = "tx-tcp-ecn-segmentation"
	TxTCPMangleID       = "tx-tcp-mangleid-segmentation"
	TxUDPSegmentation   = "tx-udp-segmentation"
	RxGRO               = "rx-gro"
	RxUDPGROForwarding  = "rx-udp-gro-forwarding"
)

// ErrUnknownFeature reports a feature name that this kernel does not have.
var ErrUnknownFeature = errors.New("unknown feature")

// ErrNotChanged reports that the kernel took a request without an error, yet
// the feature is not in the wanted state: it is fixed, or another feature that
// it needs is off.
var ErrNotChanged = errors.New("feature did not change")

// Feature is the state of one offload feature of one interface.
type Feature struct {
	On        bool // in force now
	Requested bool // asked for; differs from On where a feature that it needs is off
	Available bool // the driver lets it be switched
	Fixed     bool // never changes on this kind of device
}

// Features returns every named feature of the interface.
//
// The error wraps unix.ENODEV when there is no such interface and
// unix.EOPNOTSUPP when the interface has no features to read.
func Features(ifname string) (map[string]Feature, error) {
	var features map[string]Feature
	err := withHandle(ifname, func(e *ethtool.Ethtool) error {
		states, err := e.FeaturesWithState(ifname)
		if err != nil {
			return err
		}
		features = make(map[string]Feature, len(states))
		for name, s := range states {
			features[name] = Feature{On: s.Active, Requested: s.Requested, Available: s.Available, Fixed: s.NeverChanged}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("interface %s: read offload features: %w", ifname, explain(err))
	}
	return features, nil
}

// Set switches one feature of the interface and checks that it switched.
//
// The error names the interface and the feature, and wraps ErrUnknownFeature,
// ErrNotChanged, or the errno: unix.ENODEV, unix.EPERM (needs CAP_NET_ADMIN),
// unix.EOPNOTSUPP.
func Set(ifname, feature string, on bool) error {
	err := withHandle(ifname, func(e *ethtool.Ethtool) error {
		names, err := e.FeatureNames(ifname)
		if err != nil {
			return err
		}
		if _, ok := names[feature]; !ok {
			return ErrUnknownFeature
		}
		if err := e.Change(ifname, map[string]bool{feature: on}); err != nil {
			return err
		}
		// The ioctl succeeds even if the kernel then clears the bit again, so
		// only reading it back tells.
		states, err := e.FeaturesWithState(ifname)
		if err != nil {
			return err
		}
		if s := states[feature]; s.Active != on {
			return fmt.Errorf("%w (fixed: %t, requested: %t)", ErrNotChanged, s.NeverChanged, s.Requested)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("interface %s: switch %s %s: %w", ifname, feature, onOff(on), explain(err))
	}
	return nil
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// withHandle runs f on a handle of its own, bound to the namespace of the
// calling thread.
func withHandle(ifname string, f func(*ethtool.Ethtool) error) error {
	// The library copies the name into 16 bytes, so a longer one would silently
	// mean another interface.
	if ifname == "" || len(ifname) >= unix.IFNAMSIZ {
		return unix.ENODEV
	}
	e, err := ethtool.NewEthtool()
	if err != nil {
		return fmt.Errorf("open ioctl socket: %w", err)
	}
	defer e.Close()
	growStack()
	return f(e)
}

// growStack makes room on the goroutine's stack beforehand, because the
// library passes the addresses of stack variables to the kernel as plain
// numbers through one more function call: a stack moved by growing in between
// would leave the kernel writing to the old place. The library's largest frame
// is about 33 KB.
//
//go:noinline
func growStack() byte {
	var room [96 << 10]byte
	return room[len(room)-1-int(touch(&room))]
}

//go:noinline
func touch(room *[96 << 10]byte) byte { return room[0] }

// explain adds to an errno what to do about it.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (needs CAP_NET_ADMIN)", err)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w (no such interface in this network namespace)", err)
	case errors.Is(err, ErrUnknownFeature):
		return fmt.Errorf("%w (this kernel has no feature of that name; see `ethtool -k`)", err)
	}
	return err
}
