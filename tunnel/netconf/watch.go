package netconf

import (
	"context"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Watch sends to changed, without ever blocking, whenever a link, an address, a route
// or a rule of this machine changes, until ctx ends. The channel should hold one.
func Watch(ctx context.Context, changed chan<- struct{}) error {
	return watch(ctx, changed, unix.RTNLGRP_LINK,
		unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
		unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
}

// WatchLinks is Watch for links alone, with their features and attributes.
func WatchLinks(ctx context.Context, changed chan<- struct{}) error {
	return watch(ctx, changed, unix.RTNLGRP_LINK)
}

func watch(ctx context.Context, changed chan<- struct{}, groups ...uint) error {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, groups...)
	if err != nil {
		return fmt.Errorf("watch the network's changes: %w", err)
	}
	context.AfterFunc(ctx, s.Close)
	go func() {
		for {
			// What a message says does not matter, and so neither does one that cannot be
			// read, or that was lost since they came faster than they were received (ENOBUFS).
			_, _, _ = s.Receive()
			if ctx.Err() != nil {
				return
			}
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}()
	return nil
}
