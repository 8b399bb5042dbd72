package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"vpngw/configs"
)

// Every switch that tunnel files have is measured, and each contestant's file has off what it says.
func TestSwitches(t *testing.T) {
	schema, err := os.ReadFile(filepath.Join("..", "..", "configs", "schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, offload, _ := strings.Cut(string(schema), `"offload"`)
	contestants := switchedOff()
	if len(contestants) != len(offloadSwitches)+1 {
		t.Fatalf("%d contestants", len(contestants))
	}
	for i, s := range offloadSwitches {
		if !strings.Contains(offload, `"`+s.key+`"`) {
			t.Errorf("tunnel files have no switch %s", s.key)
		}
		if v := contestants[i]; v.Name() != s.name || len(v.lines) != 1 || v.lines[0] != "offload: {"+s.key+": false}" {
			t.Errorf("%s: %v", v.Name(), v.lines)
		}
	}
	all := contestants[len(contestants)-1]
	if got, want := strings.Count(all.lines[0], "false"), len(offloadSwitches); got != want {
		t.Errorf("%s has %d off, want %d", all.Name(), got, want)
	}
	switches := 0
	for f := range reflect.TypeFor[configs.Offload]().Fields() {
		if f.Type.Kind() == reflect.Bool {
			switches++
		}
	}
	if switches != len(offloadSwitches) {
		t.Errorf("tunnel files have %d switches, %d are measured", switches, len(offloadSwitches))
	}
}

func TestSwitchTable(t *testing.T) {
	sampleOf := func(name string, round int, rate, cost float64) sample {
		return sample{Wire: "default", Case: "tcp1", Round: round, Contestant: name, Values: map[string]float64{keyRate: rate, keyCPUGbit: cost}}
	}
	r := &result{Samples: []sample{
		sampleOf(subjectName, 0, 6, 0.2), sampleOf(subjectName, 1, 8, 0.2),
		sampleOf(subjectName+"-nogro", 0, 3, 0.3), sampleOf(subjectName+"-nogro", 1, 2, 0.4),
	}}
	wires, cases := usualWires()[:1], allCases()[:1]
	r.Summary = summarise(r.Samples, wires, cases)
	var b strings.Builder
	if err := writeSwitches(&b, r, wires, cases, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| off | TCP ×1, Gbit/s | CPU-s per Gbit |\n| --- | --: | --: |\n",
		"| nothing | 7.00 (6.00–8.00) | 0.200 (0.200–0.200) |\n",
		"| UDP_GRO of the socket | ×0.33 (0.25–0.50) | ×1.71 (1.50–2.00) |\n",
		"| gluing before the TUN device | – | – |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
