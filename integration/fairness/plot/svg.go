// Package plot draws the pictures of a fairness report as SVG: shares over time, and distributions of delay. They bring their
// own background, so that they are read on light and on dark pages alike, and label lines where they end instead of in a
// legend. The colours are those of Okabe and Ito, which the colour-blind can tell apart.
package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// palette are the colours of lines, in order.
var palette = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"}

func color(i int) string { return palette[i%len(palette)] }

// Colours of everything else.
const (
	background = "#ffffff"
	border     = "#d0d7de"
	ink        = "#1f2328"
	faint      = "#59636e"
	grid       = "#e6e9ed"
)

const fontFamily = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"

// canvas is an SVG being drawn. Coordinates are pixels from the upper left corner.
type canvas struct {
	body          bytes.Buffer
	width, height float64
	title         string // for those who cannot see it
}

func (c *canvas) add(format string, args ...any) { fmt.Fprintf(&c.body, format+"\n", args...) }

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder does not fail
	return b.String()
}

// style is how a text looks.
type style struct {
	size   float64 // 0: 12
	color  string  // empty: ink
	anchor string  // start, middle, end; empty: start
	bold   bool
}

func (c *canvas) text(x, y float64, s style, text string) {
	if s.size == 0 {
		s.size = 12
	}
	if s.color == "" {
		s.color = ink
	}
	attributes := ""
	if s.anchor != "" {
		attributes += fmt.Sprintf(` text-anchor="%s"`, s.anchor)
	}
	if s.bold {
		attributes += ` font-weight="600"`
	}
	c.add(`<text x="%.1f" y="%.1f" font-size="%g" fill="%s"%s>%s</text>`, x, y, s.size, s.color, attributes, escape(text))
}

func (c *canvas) line(x1, y1, x2, y2 float64, color string, width float64, dashed bool) {
	dash := ""
	if dashed {
		dash = ` stroke-dasharray="5 4"`
	}
	c.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"%s/>`, x1, y1, x2, y2, color, width, dash)
}

// point is a place on a canvas.
type point struct{ x, y float64 }

func (c *canvas) polyline(points []point, color string, width float64) {
	if len(points) == 0 {
		return
	}
	var b strings.Builder
	for i, p := range points {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%.1f,%.1f", p.x, p.y)
	}
	c.add(`<polyline points="%s" fill="none" stroke="%s" stroke-width="%g" stroke-linejoin="round" stroke-linecap="round"/>`, b.String(), color, width)
}

// svg is the finished picture.
func (c *canvas) svg() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" role="img" font-family="%s">`+"\n",
		c.width, c.height, c.width, c.height, fontFamily)
	fmt.Fprintf(&b, "<title>%s</title>\n", escape(c.title))
	fmt.Fprintf(&b, `<rect x="0.5" y="0.5" width="%g" height="%g" rx="8" fill="%s" stroke="%s"/>`+"\n", c.width-1, c.height-1, background, border)
	b.Write(c.body.Bytes())
	b.WriteString("</svg>\n")
	return b.Bytes()
}
