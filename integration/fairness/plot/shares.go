package plot

import "fmt"

// Panel is what one gateway did: the goodput of each tunnel over time.
type Panel struct {
	Title, Subtitle string
	Tunnels         [][]float64 // Mbit/s, one value a step
	Means           []float64   // of the tunnels, for their labels
}

// Measures of a picture of shares, in pixels.
const (
	panelWidth  = 300
	panelHeight = 230
	labelWidth  = 104 // to the right of a panel
	axisWidth   = 52  // to its left
	headHeight  = 112
	footHeight  = 48
	labelGap    = 16
	margin      = 16
)

// Shares draws the tunnels' goodput over time, one panel beside the other with the same scale. The step is the time between
// two values in seconds.
func Shares(title, subtitle string, panels []Panel, step float64) []byte {
	most, last := 0.0, 0.0
	for _, p := range panels {
		for _, t := range p.Tunnels {
			last = max(last, float64(len(t))*step)
			for _, v := range t {
				most = max(most, v)
			}
		}
	}
	one := float64(axisWidth + panelWidth + labelWidth)
	c := &canvas{width: one*float64(len(panels)) + 2*margin, height: headHeight + panelHeight + footHeight, title: title}
	c.text(margin+4, 30, style{size: 16, bold: true}, title)
	c.text(margin+4, 50, style{color: faint}, subtitle)
	up := ticks(most, 5)
	for i, p := range panels {
		left := margin + one*float64(i) + axisWidth
		drawPanel(c, p, left, step,
			scale{from: 0, to: last, start: left, end: left + panelWidth},
			scale{from: 0, to: up[len(up)-1], start: headHeight + panelHeight, end: headHeight}, up)
	}
	return c.svg()
}

func drawPanel(c *canvas, p Panel, left, step float64, x, y scale, up []float64) {
	const bottom = headHeight + panelHeight
	c.text(left, headHeight-32, style{size: 14, bold: true}, p.Title)
	c.text(left, headHeight-15, style{color: faint}, p.Subtitle)
	for _, v := range up {
		c.line(left, y.at(v), left+panelWidth, y.at(v), grid, 1, false)
		c.text(left-8, y.at(v)+4, style{color: faint, anchor: "end"}, number(v))
	}
	for _, v := range ticks(x.to, 5) {
		if v <= x.to {
			c.text(x.at(v), bottom+18, style{color: faint, anchor: "middle"}, number(v)+" s")
		}
	}
	even := 0.0
	for _, m := range p.Means {
		even += m / float64(len(p.Means))
	}
	c.line(left, y.at(even), left+panelWidth, y.at(even), faint, 1, true)
	var ends []float64
	for i, t := range p.Tunnels {
		points := make([]point, len(t))
		for k, v := range t {
			points[k] = point{x.at((float64(k) + 0.5) * step), y.at(v)}
		}
		c.polyline(points, color(i), 2)
		ends = append(ends, y.at(p.Means[i]))
	}
	for i, at := range apart(ends, labelGap, headHeight, bottom) {
		c.text(left+panelWidth+8, at+4, style{color: color(i), bold: true}, fmt.Sprintf("tunnel %d: %s", i+1, share(p.Means[i])))
	}
	c.text(left, bottom+38, style{size: 11, color: faint}, "Mbit/s in each tunnel; labels: the mean; dashed: even shares")
}

// share is a rate for a label: as many digits as tell something.
func share(mbit float64) string {
	if mbit < 9.95 {
		return fmt.Sprintf("%.1f", mbit)
	}
	return fmt.Sprintf("%.0f", mbit)
}
