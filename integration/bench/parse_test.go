package main

import "testing"

func TestCPUModel(t *testing.T) {
	const text = "processor\t: 0\nmodel\t\t: 17\nmodel name\t: AMD EPYC 9354P: 32-Core\n\nprocessor\t: 1\nmodel name\t: other\n"
	if got, want := cpuModel([]byte(text)), "AMD EPYC 9354P: 32-Core"; got != want {
		t.Errorf("model %q, want %q", got, want)
	}
	if got := cpuModel([]byte("processor\t: 0\nBogoMIPS\t: 50.00\n")); got != "" {
		t.Errorf("model %q where the kernel names none", got)
	}
}
