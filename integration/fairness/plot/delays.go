package plot

import "fmt"

// Curve is the delays that the probes of one gateway had.
type Curve struct {
	Name string
	// Quantiles in milliseconds: the delays that equal parts of the probes that arrived did not exceed, from the least to the
	// longest.
	Quantiles []float64
	Lost      float64 // part of the probes that never arrived
	P99       float64 // milliseconds, for the label
}

// Measures of a picture of delays, in pixels.
const (
	delayWidth  = 520
	delayHeight = 250
	delayLabels = 170
	delayHead   = 70
	delayFoot   = 52
	delayRow    = 36 // of a label
)

// Delays draws what part of the probes took how long at most, on a logarithmic scale of time. A curve that ends below 100 %
// lost the rest.
func Delays(title, subtitle string, curves []Curve) []byte {
	least, most := 1.0, 1.0
	for _, c := range curves {
		for _, d := range c.Quantiles {
			if d > 0 {
				least, most = min(least, d), max(most, d)
			}
		}
	}
	along := decades(least, most)
	const left, bottom = margin + axisWidth, delayHead + delayHeight
	x := scale{from: along[0], to: along[len(along)-1], start: left, end: left + delayWidth, log: true}
	y := scale{from: 0, to: 1, start: bottom, end: delayHead}
	c := &canvas{width: left + delayWidth + delayLabels + margin, height: bottom + delayFoot, title: title}
	c.text(margin+4, 30, style{size: 16, bold: true}, title)
	c.text(margin+4, 50, style{color: faint}, subtitle)
	for _, v := range []float64{0, 0.25, 0.5, 0.75, 1} {
		c.line(left, y.at(v), left+delayWidth, y.at(v), grid, 1, false)
		c.text(left-8, y.at(v)+4, style{color: faint, anchor: "end"}, fmt.Sprintf("%.0f %%", 100*v))
	}
	for _, v := range along {
		c.line(x.at(v), delayHead, x.at(v), bottom, grid, 1, false)
		c.text(x.at(v), bottom+18, style{color: faint, anchor: "middle"}, number(v)+" ms")
	}
	c.text(left, bottom+38, style{size: 11, color: faint}, "probes that took at most so long, one way")
	for i, curve := range curves {
		var points []point
		for k, d := range curve.Quantiles {
			part := float64(k) / float64(max(len(curve.Quantiles)-1, 1)) * (1 - curve.Lost)
			points = append(points, point{x.at(d), y.at(part)})
		}
		c.polyline(points, color(i), 2.5)
		top := delayHead + 16 + float64(i*delayRow)
		c.text(left+delayWidth+16, top, style{size: 13, color: color(i), bold: true}, curve.Name)
		c.text(left+delayWidth+16, top+15, style{color: faint}, label(curve))
	}
	return c.svg()
}

func label(c Curve) string {
	text := "p99 " + milliseconds(c.P99)
	if c.Lost > 0 {
		text += ", " + lost(c.Lost) + " lost"
	}
	return text
}

func lost(part float64) string {
	if part < 0.01 {
		return fmt.Sprintf("%.1f %%", 100*part)
	}
	return fmt.Sprintf("%.0f %%", 100*part)
}

func milliseconds(v float64) string {
	switch {
	case v < 1:
		return fmt.Sprintf("%.2f ms", v)
	case v < 10:
		return fmt.Sprintf("%.1f ms", v)
	}
	return fmt.Sprintf("%.0f ms", v)
}
