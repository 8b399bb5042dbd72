package tunnel

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"vpngw/tunnel/doctor"
	"vpngw/tunnel/netconf"
	"vpngw/tunnel/survey"
)

// Timing of the caretaker's looks.
const (
	careInterval = 5 * time.Minute  // sysctls change without a sign
	careSettle   = 3 * time.Second  // changes of links come in showers, and the gateway follows them first
	careRest     = 10 * time.Second // at least between two looks
)

// caretaker looks after the machine around a running gateway. It has a goroutine of its own.
type caretaker struct {
	log     *slog.Logger
	fix     bool
	subject func(context.Context) (doctor.Subject, error)
	look    func(context.Context, doctor.Subject) *doctor.Facts
	apply   func(doctor.Change) error
	current func(doctor.Change) (string, error)

	said map[string]doctor.Finding // findings that are in the log and were there at the last look
	// made are the changes that the end takes back, in their order. They are known only here:
	// after kill -9 they stay, as a reboot takes them.
	made []doctor.Change
}

func newCaretaker(g *Gateway) *caretaker {
	return &caretaker{
		log: g.log, fix: g.cfg.Manage == ManageFix,
		subject: g.Subject,
		look: func(ctx context.Context, s doctor.Subject) *doctor.Facts {
			return survey.Look(ctx, s, survey.Glance)
		},
		apply: survey.Apply, current: survey.Current,
		said: map[string]doctor.Finding{},
	}
}

// run looks at the start, when links change, and now and then, until ctx ends; then it takes
// back what it changed.
func (c *caretaker) run(ctx context.Context) error {
	defer c.restore()
	changed := make(chan struct{}, 1)
	if err := netconf.WatchLinks(ctx, changed); err != nil {
		return err
	}
	for {
		c.care(ctx)
		rest := time.Now().Add(careRest)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(careInterval):
		case <-changed:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(max(careSettle, time.Until(rest))):
			}
		}
		select { // what changes meanwhile is seen by the look after this
		case <-changed:
		default:
		}
	}
}

// care looks once, says what is new, and mends it.
func (c *caretaker) care(ctx context.Context) {
	s, err := c.subject(ctx)
	if err != nil {
		return // the gateway ends, or has no time
	}
	findings := doctor.Examine(c.look(ctx, s))
	if ctx.Err() != nil {
		return
	}
	now := map[string]doctor.Finding{}
	for _, f := range findings {
		now[f.Key()] = f
		if _, old := c.said[f.Key()]; !old {
			c.say(&f)
		}
		if c.fix && f.Safe && f.Severity != doctor.Note && c.mend(&f) {
			delete(now, f.Key()) // should it come again, that is new
		}
	}
	for key, f := range c.said {
		if _, still := now[key]; !still && f.Severity != doctor.Note {
			c.log.Info("this is well again", "interface", f.Interface, "was", f.What)
		}
	}
	c.said = now
}

func (c *caretaker) say(f *doctor.Finding) {
	level := map[doctor.Severity]slog.Level{doctor.Error: slog.LevelError, doctor.Warning: slog.LevelWarn, doctor.Note: slog.LevelDebug}[f.Severity]
	args := []any{"check", f.ID, "why", f.Why}
	if f.Interface != "" {
		args = append(args, "interface", f.Interface)
	}
	if f.Command != "" {
		args = append(args, "mend", f.Command)
	}
	if f.Advice != "" {
		args = append(args, "advice", f.Advice)
	}
	c.log.Log(context.Background(), level, f.What, args...)
}

func (c *caretaker) mend(f *doctor.Finding) (done bool) {
	change := *f.Change
	if err := c.apply(change); err != nil {
		c.log.Warn("it could not be mended", "check", f.ID, "interface", f.Interface, "error", err)
		return false
	}
	c.log.Info("mended until the gateway ends", "done", f.Command, "undo", f.Undo)
	// Another program may have taken it back: what it was at first is what is restored.
	same := func(m doctor.Change) bool {
		return m.Kind == change.Kind && m.Interface == change.Interface && m.Key == change.Key
	}
	if n := slices.IndexFunc(c.made, same); n >= 0 {
		c.made[n].To = change.To
		return true
	}
	c.made = append(c.made, change)
	return true
}

// restore takes the changes back, the last one first, unless somebody changed the setting since.
func (c *caretaker) restore() {
	for _, m := range slices.Backward(c.made) {
		now, err := c.current(m)
		if err == nil && now != m.To {
			c.log.Info("not taken back: it was changed since", "setting", m.Key, "interface", m.Interface, "to", now)
			continue
		}
		if err == nil {
			err = c.apply(m.Inverse())
		}
		if err != nil {
			c.log.Warn("not taken back", "command", m.Inverse().Command(), "error", fmt.Sprint(err))
			continue
		}
		c.log.Info("taken back", "done", m.Inverse().Command())
	}
	c.made = nil
}
