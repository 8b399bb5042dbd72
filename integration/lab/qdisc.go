package lab

import (
	"context"
	"fmt"
	"strconv"
)

// ByteQueue limits what a device sends to a rate in bits per second, behind a queue of that many bytes in which packets wait
// one by one: tbf cuts whatever is longer than the bucket of its peak rate, which limits nothing else.
func (n *Namespace) ByteQueue(ctx context.Context, device string, rate uint64, limit int) error {
	return n.qdisc(ctx, device, []string{"qdisc", "add", "dev", device, "root", "tbf", "rate", bits(rate), "burst", strconv.Itoa(burst(rate)),
		"limit", strconv.Itoa(limit), "peakrate", "100gbit", "mtu", "9000"})
}

// burst is what a wire of the rate carries in a millisecond, by which the kernel's timer may be late.
func burst(rate uint64) int { return max(8<<10, int(rate/8/1000)) }

// SuperpacketQueue limits what a device sends to a rate in bits per second, behind a queue of so many packets, each of which
// may be a superpacket of up to 64 KiB: it is carried whole, and whole it is dropped (htb over pfifo).
func (n *Namespace) SuperpacketQueue(ctx context.Context, device string, rate uint64, packets int) error {
	return n.qdisc(ctx, device,
		[]string{"qdisc", "add", "dev", device, "root", "handle", "1:", "htb", "default", "1"},
		[]string{"class", "add", "dev", device, "parent", "1:", "classid", "1:1", "htb", "rate", bits(rate), "burst", "64k", "cburst", "64k", "quantum", "60000"},
		[]string{"qdisc", "add", "dev", device, "parent", "1:1", "pfifo", "limit", strconv.Itoa(packets)})
}

// Unlimited takes the queue of [Namespace.ByteQueue] or [Namespace.SuperpacketQueue] away; what waits in it is lost.
func (n *Namespace) Unlimited(ctx context.Context, device string) error { return n.qdisc(ctx, device) }

// qdisc runs tc once for each command, on a device without a queue.
func (n *Namespace) qdisc(ctx context.Context, device string, commands ...[]string) error {
	tc, err := lookTool("tc")
	if err != nil {
		return fmt.Errorf("queue of %s in %s: %w; apt-get install iproute2", device, n.Name, err)
	}
	_, _ = n.Run(ctx, tc, "qdisc", "del", "dev", device, "root") // it may have none
	for _, c := range commands {
		if _, err := n.Run(ctx, append([]string{tc}, c...)...); err != nil {
			return err
		}
	}
	return nil
}

func bits(rate uint64) string { return strconv.FormatUint(rate, 10) + "bit" }
