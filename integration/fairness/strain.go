package main

import (
	"time"

	"vpngw/integration/lab"
)

// strain is what a measurement asked of the machine until now. Where gateways wait for a processor, delays tell of the machine
// and not of them.
type strain struct {
	at     time.Time
	cpu    lab.CPU
	waited time.Duration // the hub's gateway, for a processor
}

func (r *run) strain() (s strain, err error) {
	s.at = time.Now()
	if s.cpu, err = lab.CPUSeconds(); err != nil {
		return s, err
	}
	s.waited, err = r.gateways.hub().RunDelay()
	return s, err
}

// since is the part of the machine's processors that was busy, and the part of the time that the threads of the hub's gateway
// waited for one, together.
func (s strain) since(before strain) (busy, waited float64) {
	used := s.cpu.Sub(before.cpu)
	if all := used.Busy() + used.Idle; all > 0 {
		busy = used.Busy() / all
	}
	return busy, (s.waited - before.waited).Seconds() / s.at.Sub(before.at).Seconds()
}
