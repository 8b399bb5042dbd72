package status

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"vpngw/tunnel"
)

// Print writes s for a person to read. Counters of drops that are zero are left out.
func Print(out io.Writer, s *tunnel.Status) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	g := &s.Gateway
	device := fmt.Sprintf("%s, MTU %d", g.Interface, g.MTU)
	if !g.Present {
		device = g.Interface + " is missing, it is being made anew"
	}
	ports := fmt.Sprintf("UDP port %d", g.Port)
	if g.IKEPort != 0 {
		ports = fmt.Sprintf("UDP ports %d and %d", g.IKEPort, g.Port)
	}
	fmt.Fprintf(w, "gateway %s\t%s, %s, up %s, version %s\n", g.ID, device, ports, age(s.Uptime), s.Version)
	fmt.Fprintf(w, "  offloads\t%s\n", on(g.Features))
	e := &s.Edges
	fmt.Fprintf(w, "  bytes per call\tTUN read %s, UDP send %s, UDP receive %s, TUN write %s\n",
		perCall(e.TUNRead), perCall(e.UDPSend), perCall(e.UDPReceive), perCall(e.TUNWrite))
	fmt.Fprintf(w, "  queue memory\t%s\n", size(uint64(max(s.Lane.QueueBytes, 0))))
	printLanes(w, s.Lanes)
	printCounts(w, "  drops", s.Drops)
	printCounts(w, "  IKE refused", s.IKE)
	if err := w.Flush(); err != nil {
		return err
	}
	printQueues(out, s)
	for i := range s.Tunnels {
		fmt.Fprintln(w)
		printTunnel(w, &s.Tunnels[i])
	}
	return w.Flush()
}

func printTunnel(w io.Writer, t *tunnel.TunnelStatus) {
	state := t.State
	if t.Reason != "" {
		state += ": " + t.Reason
	}
	fmt.Fprintf(w, "%s\t%s\n", t.Name, state)
	fmt.Fprintf(w, "  packets flow\t%s\n", t.Flow)
	peer := cmp.Or(t.PeerAddress, "its address is not known: it has to come to us")
	if t.LocalAddress != "" {
		peer += " from " + t.LocalAddress
	}
	fmt.Fprintf(w, "  peer\t%s at %s\n", t.PeerID, peer)
	if t.Refused != "" {
		fmt.Fprintf(w, "  refused by us\t%s, %s\n", t.Refused, ago(t.RefusedAgo))
	}
	fmt.Fprintf(w, "  subnets\t%s ↔ %s\n", strings.Join(t.LocalSubnets, " "), strings.Join(t.RemoteSubnets, " "))
	if t.IKE != nil {
		fmt.Fprintf(w, "  IKE SA\t%s, %s old, SPIs %s %s%s\n", t.IKE.Suite, age(t.Age), t.IKE.InitiatorSPI, t.IKE.ResponderSPI, nat(t.IKE))
	}
	for _, c := range t.Children {
		note := ""
		switch {
		case c.Leaving:
			note = ", being replaced"
		case !c.Sending:
			note = ", not sending yet"
		}
		if c.Strand > 0 {
			note = fmt.Sprintf(", of strand %d%s", c.Strand, note)
		}
		fmt.Fprintf(w, "  child SA\t%s, %s old, SPI in %s out %s%s\n", c.Suite, age(c.Age), c.SPIIn, c.SPIOut, note)
	}
	printStrands(w, t.Strands)
	marked := ""
	if t.CongestionIn > 0 {
		marked = fmt.Sprintf(", %d marked on the way", t.CongestionIn)
	}
	fmt.Fprintf(w, "  in\t%s, %d packets, last %s%s\n", size(t.BytesIn), t.PacketsIn, ago(t.LastIn), marked)
	fmt.Fprintf(w, "  out\t%s, %d packets, last %s\n", size(t.BytesOut), t.PacketsOut, ago(t.LastOut))
	if t.MTU.Outer != 0 {
		fmt.Fprintf(w, "  MTU\t%s\n", mtuText(&t.MTU))
	}
	printCounts(w, "  drops", t.Drops)
	printCounts(w, "  IKE refused", t.Rejected)
}

var mtuKnown = map[string]string{
	"route": "as the route says", "probed": "probed", "assumed": "assumed, a larger one has failed", "icmp_hint": "as routers on the way say",
}

func mtuText(m *tunnel.MTUStatus) string {
	text := fmt.Sprintf("%d, %s; inside %d", m.Outer, mtuKnown[m.Known], m.Inner)
	if m.Changed >= 0 {
		text += ", changed " + ago(m.Changed)
	}
	if m.Reports > 0 || m.Fragmented > 0 {
		text += fmt.Sprintf("; too long: %d reported to senders, %d fragmented", m.Reports, m.Fragmented)
	}
	return text
}

func nat(i *tunnel.IKEStatus) string {
	if i.BehindNAT {
		return ", we are behind NAT"
	}
	return ""
}

func printCounts(w io.Writer, label string, counts map[string]uint64) {
	var parts []string
	for name, n := range counts {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", name, n))
		}
	}
	slices.Sort(parts)
	text := "none"
	if parts != nil {
		text = strings.Join(parts, ", ")
	}
	fmt.Fprintf(w, "%s\t%s\n", label, text)
}

func on(features map[string]bool) string {
	var names []string
	for name, granted := range features {
		if granted {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if names == nil {
		return "none"
	}
	return strings.Join(names, " ")
}

func perCall(e tunnel.EdgeStatus) string {
	if e.Calls == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f", e.BytesPerCall)
}

func age(seconds float64) string {
	return (time.Duration(seconds) * time.Second).String()
}

func ago(seconds float64) string {
	if seconds < 0 {
		return "never"
	}
	if seconds < 1 {
		return "just now"
	}
	return age(seconds) + " ago"
}

func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	v, u := float64(n), 0
	for v >= 1024 && u < len(units)-1 {
		v /= 1024
		u++
	}
	if u == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[u])
}
