package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// drawing is what a picture has in it.
type drawing struct {
	Width    float64 `xml:"width,attr"`
	Height   float64 `xml:"height,attr"`
	Title    string  `xml:"title"`
	Texts    []text  `xml:"text"`
	Polyline []struct {
		Points string `xml:"points,attr"`
		Stroke string `xml:"stroke,attr"`
	} `xml:"polyline"`
}

type text struct {
	X      float64 `xml:"x,attr"`
	Y      float64 `xml:"y,attr"`
	Fill   string  `xml:"fill,attr"`
	Size   float64 `xml:"font-size,attr"`
	Anchor string  `xml:"text-anchor,attr"`
	Text   string  `xml:",chardata"`
}

// parse reads a picture strictly and checks that everything lies inside it.
func parse(t *testing.T, svg []byte) drawing {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, svg)
		}
	}
	var d drawing
	if err := xml.Unmarshal(svg, &d); err != nil {
		t.Fatal(err)
	}
	for _, l := range d.Texts {
		left, width := l.X, 0.58*l.Size*float64(utf8.RuneCountInString(l.Text)) // about, in most fonts
		switch l.Anchor {
		case "end":
			left -= width
		case "middle":
			left -= width / 2
		}
		if left < 0 || left+width > d.Width || l.Y < l.Size || l.Y > d.Height {
			t.Errorf("%q, about %.0f wide, lies outside %v × %v at %.0f, %.0f", l.Text, width, d.Width, d.Height, left, l.Y)
		}
	}
	for _, p := range d.Polyline {
		for _, at := range points(t, p.Points) {
			if at.x < 0 || at.x > d.Width || at.y < 0 || at.y > d.Height {
				t.Errorf("a line goes to %v", at)
			}
		}
	}
	return d
}

func points(t *testing.T, text string) (all []point) {
	t.Helper()
	for pair := range strings.FieldsSeq(text) {
		x, y, _ := strings.Cut(pair, ",")
		px, errX := strconv.ParseFloat(x, 64)
		py, errY := strconv.ParseFloat(y, 64)
		if err := errors.Join(errX, errY); err != nil {
			t.Fatal(err)
		}
		all = append(all, point{px, py})
	}
	return all
}

func (d drawing) find(t *testing.T, want string) text {
	t.Helper()
	for _, l := range d.Texts {
		if l.Text == want {
			return l
		}
	}
	t.Fatalf("no text %q", want)
	return text{}
}

func TestShares(t *testing.T) {
	d := parse(t, Shares(`<"four" & more>`, "on a wire", []Panel{
		{Title: "FIFO", Subtitle: "before", Tunnels: [][]float64{{200, 200}, {200, 180}, {1, 1}, {1, 0}}, Means: []float64{200, 190, 1, 0.5}},
		{Title: "fair", Subtitle: "after", Tunnels: [][]float64{{100, 100}}, Means: []float64{100}},
	}, 0.5))
	if d.Title != `<"four" & more>` {
		t.Errorf("title %q", d.Title)
	}
	if len(d.Polyline) != 5 {
		t.Fatalf("%d lines", len(d.Polyline))
	}
	// A line lies where its axis says: 200 and 100 Mbit/s have ticks of their own.
	axis := map[string]float64{}
	for _, l := range d.Texts {
		if l.Anchor == "end" && l.X < margin+axisWidth {
			axis[l.Text] = l.Y - 4
		}
	}
	for line, want := range map[int]string{0: "200", 4: "100"} {
		for _, p := range points(t, d.Polyline[line].Points) {
			if math.Abs(p.y-axis[want]) > 0.1 {
				t.Errorf("line %d at %v, the axis has %s at %v", line, p.y, want, axis[want])
			}
		}
	}
	for i, text := range []string{"tunnel 1: 200", "tunnel 2: 190", "tunnel 3: 1.0", "tunnel 4: 0.5"} {
		if l := d.find(t, text); l.Fill != d.Polyline[i].Stroke {
			t.Errorf("%q has the colour %s, its line %s", text, l.Fill, d.Polyline[i].Stroke)
		}
	}
}

func TestDelays(t *testing.T) {
	d := parse(t, Delays("delays", "under load", []Curve{
		{Name: "quick", Quantiles: []float64{0.1, 0.2, 1}, P99: 1},
		{Name: "slow", Quantiles: []float64{1, 10, 100}, P99: 100, Lost: 0.5},
		{Name: "deaf", Lost: 1},
	}))
	if len(d.Polyline) != 2 {
		t.Fatalf("%d lines", len(d.Polyline))
	}
	quick, slow := points(t, d.Polyline[0].Points), points(t, d.Polyline[1].Points)
	if one := d.find(t, "1 ms").X; math.Abs(quick[2].x-one) > 0.1 || math.Abs(slow[0].x-one) > 0.1 {
		t.Errorf("1 ms is at %v, the lines have it at %v and %v", one, quick[2].x, slow[0].x)
	}
	if all, half := d.find(t, "100 %").Y-4, d.find(t, "50 %").Y-4; math.Abs(quick[2].y-all) > 0.1 || math.Abs(slow[2].y-half) > 0.1 {
		t.Errorf("the lines end at %v and %v, want %v and %v", quick[2].y, slow[2].y, all, half)
	}
	if l := d.find(t, "p99 100 ms, 50 % lost"); l.X < quick[2].x {
		t.Errorf("label %+v", l)
	}
	d.find(t, "p99 1.0 ms")
}

func TestNothingToDraw(t *testing.T) {
	parse(t, Shares("nothing", "", []Panel{{Tunnels: [][]float64{nil}, Means: []float64{0}}}, 0.1))
	parse(t, Delays("nothing", "", nil))
}
