package configs

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// TestUnitsRoundTrip wants what String writes to be read back as the same.
func TestUnitsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Uint64().Draw(t, "v")
		for _, units := range [][]unit{rateUnits, sizeUnits} {
			text := formatScaled(v, units)
			got, bad := parseScaled(text, units)
			if v >= 1e19 { // 20 digits are refused
				continue
			}
			if bad != nil || got != v {
				t.Fatalf("%d is written %s and read %d, %v", v, text, got, bad)
			}
		}
	})
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]uint64{
		"0": 0, "64kbit": 64e3, "950Mbit": 950e6, "1.5Gbit": 1500e6, "0.001kbit": 1, "100bit": 100, "1.50Mbit": 1.5e6,
	} {
		if got, bad := parseScaled(text, rateUnits); bad != nil || got != want {
			t.Errorf("%s: got %d, %v", text, got, bad)
		}
	}
	for text, want := range map[string]uint64{"4MiB": 4 << 20, "64GiB": 64 << 30, "1GB": 1e9, "0.5KiB": 512, "7B": 7} {
		if got, bad := parseScaled(text, sizeUnits); bad != nil || got != want {
			t.Errorf("%s: got %d, %v", text, got, bad)
		}
	}
	for _, text := range []string{"", ".", "1.", ".5GiB", "-1GiB", "1 GiB", "1e3B", "١GiB", "0.5B", "00", "1GiBB",
		"18446744073709551617B", "18446744074GB", "18446744073709551616B"} {
		if got, bad := parseScaled(text, sizeUnits); bad == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

// TestDistance compares with the definition of the distance, which recurses and forgets nothing.
func TestDistance(t *testing.T) {
	var slow func(a, b string) int
	slow = func(a, b string) int {
		switch {
		case a == "":
			return len(b)
		case b == "":
			return len(a)
		}
		last := func(s string) byte { return s[len(s)-1] }
		replace := slow(a[:len(a)-1], b[:len(b)-1])
		if last(a) != last(b) {
			replace++
		}
		best := min(replace, slow(a[:len(a)-1], b)+1, slow(a, b[:len(b)-1])+1)
		if len(a) > 1 && len(b) > 1 && last(a) == b[len(b)-2] && last(b) == a[len(a)-2] {
			best = min(best, slow(a[:len(a)-2], b[:len(b)-2])+1)
		}
		return best
	}
	word := rapid.StringMatching(`[abc]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		if got, want := distance(a, b), slow(a, b); got != want {
			t.Fatalf("%q to %q: %d, want %d", a, b, got, want)
		}
	})
}

// TestOverlaps compares the pass with the stack with comparing each subnet with each.
func TestOverlaps(t *testing.T) {
	subnet := rapid.Custom(func(t *rapid.T) netip.Prefix {
		bits := rapid.IntRange(8, 12).Draw(t, "bits")
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(rapid.IntRange(0, 15).Draw(t, "net") << 4)}), bits).Masked()
	})
	rapid.Check(t, func(t *rapid.T) {
		tunnels := rapid.SliceOfN(rapid.SliceOfNDistinct(subnet, 1, 3, rapid.ID), 1, 4).Draw(t, "tunnels")
		var text strings.Builder
		text.WriteString("version: 1\ngateway: {id: a}\ntunnels:\n")
		// Of each pair one subnet is inside the other; each inner one is to be named once.
		type place struct{ tunnel, item int }
		inner := map[place]bool{}
		for i, subnets := range tunnels {
			fmt.Fprintf(&text, "  t%d: {peer: {id: p%d, psk_file: x}, local_subnets: [192.168.0.0/16], remote_subnets: [%s]}\n",
				i, i, strings.Trim(strings.ReplaceAll(fmt.Sprint(subnets), " ", ", "), "[]"))
			for j, a := range subnets {
				for k, others := range tunnels[:i] {
					for l, b := range others {
						if a.Overlaps(b) && a.Bits() >= b.Bits() {
							inner[place{i, j}] = true
						} else if a.Overlaps(b) {
							inner[place{k, l}] = true
						}
					}
				}
			}
		}
		_, problems := parse("f", []byte(text.String()), noSecrets)
		if len(problems) != len(inner) {
			t.Fatalf("%s\nwant %d overlaps: %v", text.String(), len(inner), problems)
		}
		for _, p := range problems {
			if !strings.Contains(p.Message, "overlaps") {
				t.Fatalf("%v", p)
			}
		}
	})
}

// FuzzParse wants any input to be read without a panic, to end in a file or in problems, and these to be fit to print.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("version: 1\ngateway: {id: a}\ntunnels: {b: {peer: {id: b, psk_file: x}, local_subnets: [10.0.0.0/8], remote_subnets: [::/0]}}"))
	f.Add([]byte("a: &a [*a]\n<<: *a\n? {b: c}\n: !!int x\n"))
	f.Add([]byte("a:\n\t- b\n---\n...\n%TAG ! x\n"))
	f.Add([]byte("defaults: {dpd: {interval: 9h, timeout: 1s}, rate: 1.5.5Gbit, rekey: {time: 99999999999h}}"))
	f.Add([]byte("\xff\xfe\x00a\x1b[31m\u2028"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, problems := parse("f", data, noSecrets)
		if (file == nil) != (len(problems) > 0) {
			t.Fatalf("file %v, problems %v", file, problems)
		}
		if len(problems) > 16+8*len(data) {
			t.Fatalf("%d problems of %d bytes", len(problems), len(data))
		}
		problems.sort()
		lines := strings.Count(string(data), "\n") + 1
		for _, p := range problems {
			if p.Message == "" || p.Line < 1 || p.Line > lines+1 || p.Column < 1 {
				t.Fatalf("%#v", p)
			}
			for _, r := range p.String() {
				if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
					t.Fatalf("%q", p.String())
				}
			}
		}
		if file != nil && (file.Gateway.ID == "" || len(file.Tunnels) == 0) {
			t.Fatalf("%+v", file)
		}
	})
}
