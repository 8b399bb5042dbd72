//go:build linux

package survey

import (
	"fmt"
	"os"
	"strconv"

	"github.com/vishvananda/netlink"

	"vpngw/offload/ethtool"
	"vpngw/tunnel/doctor"
)

// Apply makes a change. It needs CAP_NET_ADMIN, and for a sysctl mostly root.
func Apply(c doctor.Change) error {
	switch c.Kind {
	case doctor.SetFeature:
		return ethtool.Set(c.Interface, c.Key, c.To == "on")
	case doctor.SetSysctl:
		if err := os.WriteFile(sysctlPath(c.Key), []byte(c.To), 0); err != nil {
			return fmt.Errorf("%s: %w", c.Command(), err)
		}
		return nil
	case doctor.SetLink:
		if err := setLink(c); err != nil {
			return fmt.Errorf("%s: %w", c.Command(), err)
		}
		return nil
	}
	return fmt.Errorf("no way is known to change a %s", c.Kind)
}

func setLink(c doctor.Change) error {
	n, err := strconv.Atoi(c.To)
	if err != nil {
		return err
	}
	link, err := netlink.LinkByName(c.Interface)
	if err != nil {
		return err
	}
	switch c.Key {
	case "mtu":
		return netlink.LinkSetMTU(link, n)
	case "txqueuelen":
		return netlink.LinkSetTxQLen(link, n)
	case "gro_max_size":
		return netlink.LinkSetGROMaxSize(link, n)
	}
	return fmt.Errorf("no way is known to change it")
}

// Current reads what a change is about, in the words of its To and From.
func Current(c doctor.Change) (string, error) {
	switch c.Kind {
	case doctor.SetFeature:
		all, err := ethtool.Features(c.Interface)
		if err != nil {
			return "", err
		}
		if all[c.Key].On {
			return "on", nil
		}
		return "off", nil
	case doctor.SetSysctl:
		n, ok := sysctl(c.Key)
		if !ok {
			return "", fmt.Errorf("sysctl %s is not readable", c.Key)
		}
		return strconv.Itoa(n), nil
	}
	link, err := netlink.LinkByName(c.Interface)
	if err != nil {
		return "", err
	}
	a := link.Attrs()
	return strconv.Itoa(map[string]int{"mtu": a.MTU, "txqueuelen": a.TxQLen, "gro_max_size": int(a.GROMaxSize)}[c.Key]), nil
}
