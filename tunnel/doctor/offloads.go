package doctor

import "fmt"

// receiving looks at what an interface glues together.
func receiving(f *Facts, i *Interface) []Finding {
	if i.Is(TUN) {
		return nil
	}
	var all []Finding
	if i.Features[lro].On {
		severity := Warning
		if f.Forwarding4 || f.Forwarding6 {
			severity = Error
		}
		finding := Finding{
			ID: "lro", Severity: severity, Interface: i.Name,
			What: "LRO is on",
			Why:  "The device glues TCP packets so that they cannot be cut as they were: what is forwarded arrives with other headers and wrong checksums, or is dropped for its length.",
		}
		all = append(all, mendFeature(finding, i, lro, false))
	}
	if i.stacked() {
		return all
	}
	if g, ok := i.Features[gro]; ok && !g.On {
		finding := Finding{
			ID: "gro", Severity: Warning, Interface: i.Name,
			What: "GRO is off",
			Why:  "Every ESP datagram comes to the gateway by itself, which costs several times the processor time of many at once.",
		}
		if i.Is(LAN) {
			finding.Why = "Every packet of the hosts enters the tunnel by itself, which costs several times the processor time of a superpacket."
		}
		if i.Kind == "veth" {
			finding.Severity = Note
			finding.Why = "A veth hands on whole what its other end sent whole. Where that end cuts its superpackets (its checksum or TSO features are off), GRO is worth as much as on a network card."
		}
		all = append(all, mendFeature(finding, i, gro, true))
	}
	if i.Features[groList].On {
		all = append(all, mendFeature(Finding{
			ID: "gro-list", Severity: Warning, Interface: i.Name,
			What: "rx-gro-list is on",
			Why:  "What is forwarded is chained together instead of glued, and falls apart into single packets before the TUN device, which takes no chains.",
		}, i, groList, false))
	}
	if u, ok := i.Features[groUDPForward]; ok && i.Is(LAN) && !u.On && i.Features[gro].On {
		all = append(all, mendFeature(Finding{
			ID: "udp-gro-forwarding", Severity: Warning, Interface: i.Name,
			What: "rx-udp-gro-forwarding is off",
			Why:  "UDP and QUIC of the hosts enter the tunnel packet by packet, while TCP enters as superpackets.",
		}, i, groUDPForward, true))
	}
	if most := max(i.GROMaxSize, i.GROMaxIPv4); most > legacyMaxSize {
		all = append(all, Finding{
			ID: "big-tcp", Severity: Warning, Interface: i.Name,
			What: fmt.Sprintf("superpackets may grow to %d bytes (BIG TCP)", most),
			Why:  "A TUN device takes at most 65536: the kernel cuts a larger one into single packets before the gateway, which is slower than without BIG TCP.",
		}.mend(link(i, "gro_max_size", most, legacyMaxSize), true))
	}
	return all
}

// mendFeature adds the command that switches a feature, where the device can.
func mendFeature(x Finding, i *Interface, name string, on bool) Finding {
	if !i.Features[name].Fixed {
		return x.mend(feature(i, name, on), true)
	}
	x.Advice = "The device has it fixed so: look for a setting of its driver, or use another device."
	if x.Severity == Warning {
		x.Severity = Note
	}
	return x
}

// sending looks at what an interface can cut and sum.
func sending(f *Facts, i *Interface) []Finding {
	if i.Is(TUN) || i.stacked() {
		return nil
	}
	var all []Finding
	for _, name := range []string{txChecksum, txChecksum4} {
		c, ok := i.Features[name]
		if !ok || c.Fixed || c.On {
			continue
		}
		all = append(all, Finding{
			ID: "tx-checksum", Severity: Warning, Interface: i.Name,
			What: name + " is off",
			Why:  "The processor sums every packet and cuts every superpacket; older kernels refuse trains of datagrams (UDP_SEGMENT) on such a device, and the gateway sends one by one.",
		}.mend(feature(i, name, true), true))
	}
	if !i.Features[txChecksum].On && !i.Features[txChecksum4].On {
		return all // which is why nothing below can be on
	}
	check := func(id, name, why string) {
		if s, ok := i.Features[name]; ok && !s.On && !s.Fixed {
			all = append(all, Finding{ID: id, Severity: Warning, Interface: i.Name, What: name + " is off", Why: why}.mend(feature(i, name, true), true))
		}
	}
	if i.Is(LAN) {
		check("tso", tso4, "TCP superpackets out of the tunnel are cut by the processor before this device.")
		check("tso", tso6, "TCP superpackets out of the tunnel are cut by the processor before this device.")
	}
	check("uso", uso, "Trains of UDP datagrams are cut by the processor before this device.")
	return all
}

// device looks at the TUN device.
func device(f *Facts, i *Interface) []Finding {
	if !i.Is(TUN) {
		return nil
	}
	var all []Finding
	if i.TxQueueLen > tunQueueLen {
		all = append(all, Finding{
			ID: "txqueuelen", Severity: Warning, Interface: i.Name,
			What: fmt.Sprintf("txqueuelen is %d", i.TxQueueLen),
			Why:  fmt.Sprintf("Up to %d MB of superpackets wait where they cannot be ordered by flow: ACKs wait behind all of them.", i.TxQueueLen*legacyMaxSize/1_000_000),
		}.mend(link(i, "txqueuelen", i.TxQueueLen, tunQueueLen), true))
	}
	w := &f.Offload
	if !w.Checksum {
		return all
	}
	if c := i.Features[txChecksum]; !c.On {
		why := "Without it, no superpacket can be read: each packet crosses the system call by itself."
		return append(all, mendTUN(f, i, "tun-checksum", txChecksum, true, why))
	}
	for _, x := range []struct {
		feature string
		wanted  bool
		granted bool
		what    string
	}{
		{tso4, w.TSO, f.Test.GrantsTSO, "TCP over IPv4"},
		{tso6, w.TSO, f.Test.GrantsTSO, "TCP over IPv6"},
		{uso, w.USO, f.Test.GrantsUSO, "UDP and QUIC"},
	} {
		if s, ok := i.Features[x.feature]; ok && x.wanted && !s.On {
			granted := x.granted || !f.Test.TUN
			all = append(all, mendTUN(f, i, "tun-"+x.feature, x.feature, granted, "The kernel cuts superpackets of "+x.what+" before the gateway reads them, which costs several times the processor time."))
		}
	}
	return all
}

// mendTUN is about a feature of the TUN device that is wanted and not in force.
func mendTUN(f *Facts, i *Interface, id, name string, granted bool, why string) Finding {
	have := i.Features[name]
	x := Finding{ID: id, Severity: Warning, Interface: i.Name, What: name + " is " + have.State(), Why: why}
	switch {
	case !granted || have.Fixed:
		x.Severity, x.Advice = Note, "This kernel does not give it to TUN devices: UDP needs Linux 6.2."
	case have.Requested:
		x.Advice = "It is asked for but the device does not have it: restart the gateway, which asks anew."
	default:
		return x.mend(feature(i, name, true), true)
	}
	return x
}
