package tunnel

import "time"

// repeatTime is how often at most the log says what it has said before.
const repeatTime = time.Minute

// repeats keeps the failures of retries from filling the log: a text is said when it is
// another than the last one, and else once a minute. The zero value is ready.
type repeats struct {
	text  string
	at    time.Time // when it was said last
	count int       // how often it came since
}

// say tells whether text is to be logged now, and how often it came unsaid since it was
// logged last.
func (r *repeats) say(text string, now time.Time) (unsaid int, ok bool) {
	if text == r.text && now.Sub(r.at) < repeatTime {
		r.count++
		return 0, false
	}
	if text == r.text {
		unsaid = r.count
	}
	*r = repeats{text: text, at: now}
	return unsaid, true
}
