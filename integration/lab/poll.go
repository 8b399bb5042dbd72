package lab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollInterval is short beside everything that is waited for, and long enough not to weigh on the machine.
const pollInterval = 20 * time.Millisecond

// fatalError ends a [Poll] at once.
type fatalError struct{ error }

func (f fatalError) Unwrap() error { return f.error }

// Fatal marks an error that waiting cannot cure; [Poll] returns it at once.
func Fatal(err error) error { return fatalError{err} }

// Poll calls f until it returns nil, at most for the given time. Otherwise it returns f's last error.
func Poll(ctx context.Context, timeout time.Duration, f func() error) error {
	start := time.Now()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := f()
		var fatal fatalError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &fatal):
			return fatal.error
		case time.Since(start) > timeout:
			return fmt.Errorf("after %v: %w", timeout, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, while: %w", ctx.Err(), err)
		case <-ticker.C:
		}
	}
}
