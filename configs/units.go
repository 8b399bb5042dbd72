package configs

import (
	"fmt"
	"math/bits"
	"strings"
)

// Rate is a number of bits per second, each packet counted as it stands on the wire.
type Rate uint64

// ByteSize is a number of bytes.
type ByteSize uint64

// unit is a suffix and what it multiplies by.
type unit struct {
	suffix string
	factor uint64
}

// Smallest first. Rates are decimal, as link speeds are.
var (
	rateUnits = []unit{{"bit", 1}, {"kbit", 1e3}, {"Mbit", 1e6}, {"Gbit", 1e9}}
	sizeUnits = []unit{
		{"B", 1}, {"kB", 1e3}, {"KiB", 1 << 10}, {"MB", 1e6}, {"MiB", 1 << 20},
		{"GB", 1e9}, {"GiB", 1 << 30}, {"TB", 1e12}, {"TiB", 1 << 40},
	}
)

// String gives the rate as the tunnel file takes it, such as 1500Mbit; no rate is 0.
func (r Rate) String() string { return formatScaled(uint64(r), rateUnits) }

// String gives the size as the tunnel file takes it, such as 4MiB; no size is 0.
func (s ByteSize) String() string { return formatScaled(uint64(s), sizeUnits) }

// formatScaled writes v exactly, in the largest unit that needs no fraction.
func formatScaled(v uint64, units []unit) string {
	if v == 0 {
		return "0"
	}
	best := units[0]
	for _, u := range units {
		if v%u.factor == 0 {
			best = u
		}
	}
	return fmt.Sprintf("%d%s", v/best.factor, best.suffix)
}

// parseScaled reads "0" or a decimal number with a unit. A fraction must come out whole, as 1.5kbit does.
func parseScaled(text string, units []unit) (uint64, *flaw) {
	if text == "0" {
		return 0, nil
	}
	hint := "the units are " + unitNames(units)
	end := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(text)
	}
	number, suffix := text[:end], text[end:]
	whole, fraction, dotted := strings.Cut(number, ".")
	if whole == "" || dotted && fraction == "" || strings.Contains(fraction, ".") {
		return 0, &flaw{message: "no number with a unit in " + quote(text), hint: hint}
	}
	factor := uint64(0)
	for _, u := range units {
		if u.suffix == suffix {
			factor = u.factor
		} else if strings.EqualFold(u.suffix, plainUnit(suffix)) {
			hint = "did you mean " + shorten(number) + u.suffix + "?"
		}
	}
	if suffix == "" {
		return 0, &flaw{message: "no unit behind " + quote(number), hint: hint}
	}
	if factor == 0 {
		return 0, &flaw{message: "unknown unit " + quote(suffix), hint: hint}
	}
	value, scale, ok := decimal(whole, fraction)
	if !ok {
		return 0, &flaw{message: quote(text) + " has too many digits", hint: "round it"}
	}
	high, low := bits.Mul64(value, factor)
	if high >= scale {
		return 0, &flaw{message: quote(text) + " is too large", hint: "no such link or memory exists"}
	}
	result, rest := bits.Div64(high, low, scale)
	if rest != 0 {
		return 0, &flaw{
			message: fmt.Sprintf("%s is not a whole number of %s", quote(text), units[0].suffix),
			hint:    "round it",
		}
	}
	return result, nil
}

// decimal reads whole.fraction as value ÷ scale.
func decimal(whole, fraction string) (value, scale uint64, ok bool) {
	digits := strings.TrimLeft(whole+fraction, "0")
	if len(digits) > 19 || len(fraction) > 18 {
		return 0, 0, false
	}
	scale = 1
	for range fraction {
		scale *= 10
	}
	for _, d := range digits {
		value = value*10 + uint64(d-'0')
	}
	return value, scale, true
}

func unitNames(units []unit) string {
	var all []string
	for _, u := range units {
		all = append(all, u.suffix)
	}
	return strings.Join(all, ", ")
}

// plainUnit gives our name for what other tools call a unit, in any case.
func plainUnit(suffix string) string {
	s := strings.ToLower(strings.TrimSpace(suffix))
	for _, tail := range []string{"bit/s", "bits/s", "bits", "bps", "b/s"} {
		if prefix, ok := strings.CutSuffix(s, tail); ok {
			return prefix + "bit"
		}
	}
	return s
}
