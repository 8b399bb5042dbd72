package doctor

import (
	"fmt"
	"strconv"
)

// Kind is what a [Change] sets.
type Kind string

// The kinds of changes.
const (
	SetFeature Kind = "feature" // an offload feature, on or off
	SetSysctl  Kind = "sysctl"
	SetLink    Kind = "link" // an attribute of the interface: mtu, txqueuelen, gro_max_size
)

// Change is one setting of the machine.
type Change struct {
	Kind      Kind   `json:"kind"`
	Interface string `json:"interface,omitempty"`
	Key       string `json:"key"`
	From      string `json:"from"`
	To        string `json:"to"`
}

// Command is the change as a person would make it.
func (c Change) Command() string {
	switch c.Kind {
	case SetFeature:
		return fmt.Sprintf("ethtool -K %s %s %s", c.Interface, c.Key, c.To)
	case SetSysctl:
		return fmt.Sprintf("sysctl -w %s=%s", c.Key, c.To)
	}
	return fmt.Sprintf("ip link set dev %s %s %s", c.Interface, c.Key, c.To)
}

// Inverse takes the change back.
func (c Change) Inverse() Change {
	c.From, c.To = c.To, c.From
	return c
}

func feature(i *Interface, name string, on bool) *Change {
	c := &Change{Kind: SetFeature, Interface: i.Name, Key: name, From: "on", To: "off"}
	if on {
		*c = c.Inverse()
	}
	return c
}

func link(i *Interface, key string, from, to int) *Change {
	return &Change{Kind: SetLink, Interface: i.Name, Key: key, From: strconv.Itoa(from), To: strconv.Itoa(to)}
}

func sysctl(key string, from, to int) *Change {
	return &Change{Kind: SetSysctl, Key: key, From: strconv.Itoa(from), To: strconv.Itoa(to)}
}
