package demo

import (
	"fmt"
	"strings"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
	"vpngw/integration/lab/load"
)

// screenWidth is the longest line of the last screen, in characters.
const screenWidth = 100

// ending is what the demo ends with.
type ending struct {
	version string
	seconds float64     // of the whole demo
	first   *results    // nil: not played
	second  *comparison // nil: not played
}

// screen is the last thing the demo prints: at most 40 lines of at most [screenWidth] characters.
func (e *ending) screen() string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(cut(strings.TrimRight(fmt.Sprintf(format, args...), " "), screenWidth))
		b.WriteByte('\n')
	}
	line("vpngw %s, seen on this machine in %.0f s", e.version, e.seconds)
	line("")
	if e.first != nil {
		e.first.lines(line)
		line("")
	}
	if e.second != nil {
		e.second.lines(line)
		line("")
	}
	line("The test programs shared this machine's processors with the gateways. Everything is removed again.")
	return b.String()
}

// lines shows the first act.
func (r *results) lines(line func(format string, args ...any)) {
	a, z := r.sites.A, r.sites.B
	line("  host A %s — gateway A %s ══ ESP in UDP ══ %s gateway B — %s host B", a.Host4, a.Outside4, z.Outside4, z.Host4)
	line("")
	line("%-26s %12s %12s   %-16s %s", "Throughput", "A → B", "B → A", "", "CPU-s per Gbit, whole path")
	line("%-26s %12s %12s   %-16s %.2f", "  TCP, 1 connection", gbit(r.one[0]), gbit(r.one[1]), retransmits(r.one), r.one[0].CPUPerGbit())
	line("%-26s %12s %12s   %-16s %.2f", "  TCP, 4 connections", gbit(r.four[0]), gbit(r.four[1]), retransmits(r.four), r.four[0].CPUPerGbit())
	line("%-26s %12s %12s   lost %d of %d (%.2f %%)", fmt.Sprintf("  UDP, %d-byte datagrams", udpLength),
		gbit(r.udp), "", r.udp.Lost, r.udp.Packets, r.udp.LossPercent())
	line("")
	line("%-26s %12s %12s %12s   %s", "Round trip A – B", "median", "99 %", "max", "lost")
	for _, p := range []struct {
		name string
		ping lab.PingResult
	}{{"  idle", r.idle}, {"  under 4 TCP connections", r.busy}, {"  idle, IPv6 inside", r.inside6}} {
		line("%-26s %12s %12s %12s   %d of %d", p.name, ms(p.ping.Median), ms(p.ping.P99), ms(p.ping.Max), p.ping.Sent-p.ping.Received, p.ping.Sent)
	}
	line("")
	line("Superpackets               bytes per call        calls   during TCP, 1 connection, A → B")
	for _, e := range []struct {
		name string
		edge daemon.Edge
	}{{"  gateway A: TUN read", r.edgesA.TunRead}, {"  gateway A: UDP send", r.edgesA.UDPSend},
		{"  gateway B: UDP receive", r.edgesB.UDPReceive}, {"  gateway B: TUN write", r.edgesB.TunWrite}} {
		line("%-26s %14.0f %12d", e.name, e.edge.BytesPerCall(), e.edge.Calls)
	}
	line("")
	line("File       %d MiB random bytes copied A → B in %.2f s, SHA-256 the same on both sides:", r.file.bytes>>20, r.file.took.Seconds())
	line("           %x", r.file.sum)
	line("Dropped    A: %s", daemon.FormatDrops(r.dropsA))
	line("           B: %s", daemon.FormatDrops(r.dropsB))
}

// lines shows the second act.
func (c *comparison) lines(line func(format string, args ...any)) {
	line("Four tunnels, one wire of %.0f Mbit/s, TCP from the hub: %d flows in tunnel 1, one in each other", wireRate/1e6, crowd)
	const row = "%-6s %8s %8s %8s %8s %13s %15s %13s %11s"
	line("%42s %13s %15s %25s", "Mbit/s in tunnel         ", "Jain, worst", "longest time", "probe in tunnel 4    ")
	line(row, "", "1", "2", "3", "4", "second", "between ACKs", "median", "99 %")
	for _, r := range []struct {
		queue   queue
		contest *contest
	}{{fifo, c.fifo}, {fair, c.fair}} {
		t := r.contest
		mbit := func(i int) string { return fmt.Sprintf("%.1f", t.share(i)) }
		line(row, "  "+r.queue.name, mbit(0), mbit(1), mbit(2), mbit(3), fmt.Sprintf("%.3f", t.worstJain()), ms(t.gap),
			delay(t.delays, 50), delay(t.delays, 99))
	}
}

func gbit(r lab.IperfResult) string { return fmt.Sprintf("%.2f Gbit/s", r.Gbit) }

func retransmits(both [2]lab.IperfResult) string {
	return fmt.Sprintf("resent %d, %d", both[0].Retransmits, both[1].Retransmits)
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond)) }

// delay is a percentile of a probe's delays.
func delay(of []time.Duration, p float64) string {
	if len(of) == 0 {
		return "none came"
	}
	return ms(load.Percentile(of, p))
}

// cut shortens a line to a number of characters.
func cut(s string, width int) string {
	runes := []rune(s)
	if len(runes) <= width {
		return s
	}
	return string(runes[:width-1]) + "…"
}
