package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"vpngw/integration/kernels/order"
)

// recorder turns the events of a machine into outcomes, and keeps what the tests wrote.
type recorder struct {
	outcomes []*outcome
	logs     []*os.File
	begun    time.Time // of the job that runs now, and with the first the booting
	err      error     // the first of writing
}

func newRecorder(outcomes []*outcome, folder string) (*recorder, error) {
	r := &recorder{outcomes: outcomes, begun: time.Now()}
	for _, o := range outcomes {
		o.log = filepath.Join(folder, o.name()+".log")
		file, err := os.Create(o.log)
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		r.logs = append(r.logs, file)
	}
	return r, nil
}

// record takes one event.
func (r *recorder) record(e order.Event) {
	if e.Job < 0 || e.Job >= len(r.outcomes) {
		r.err = errors.Join(r.err, fmt.Errorf("the machine speaks of job %d", e.Job))
		return
	}
	o := r.outcomes[e.Job]
	_, _ = o.tally.Write(e.Output) // never fails
	if _, err := r.logs[e.Job].Write(e.Output); err != nil && r.err == nil {
		r.err = err
	}
	if !e.Done {
		return
	}
	o.seconds = time.Since(r.begun).Seconds()
	r.begun = time.Now()
	switch {
	case e.Failed != "":
		o.failure = e.Failed
	case e.Exit != 0:
		o.failure = fmt.Sprintf("exit code %d", e.Exit)
	default:
		o.failure = ""
	}
}

// close ends the logs, and returns what went wrong with them.
func (r *recorder) close() error {
	for _, file := range r.logs {
		r.err = errors.Join(r.err, file.Close())
	}
	return r.err
}
