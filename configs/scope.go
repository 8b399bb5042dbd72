package configs

// scope finds values by name: in the first layer that has a good one, else in the table's defaults.
type scope struct {
	table  []key
	layers []*section
}

// sub is the scope of a mapping inside.
func (sc scope) sub(name string) scope {
	inner := scope{table: find(sc.table, name).keys}
	for _, layer := range sc.layers {
		if e := layer.entry(name); e != nil && e.section != nil {
			inner.layers = append(inner.layers, e.section)
		}
	}
	return inner
}

// entry gives what the file says about name, good or bad, or nil.
func (sec *section) entry(name string) *entry {
	if sec == nil {
		return nil
	}
	return sec.entries[name]
}

// entry gives the first good entry of the layers, or nil.
func (sc scope) entry(name string) *entry {
	for _, layer := range sc.layers {
		if e := layer.entry(name); e != nil && e.good {
			return e
		}
	}
	return nil
}

// get gives the value of a key, its default, or the zero T.
func get[T any](sc scope, name string) T {
	if e := sc.entry(name); e != nil {
		return e.value.(T)
	}
	if row := find(sc.table, name); len(row.defaults) > 0 {
		v, _ := row.kind.parse(row.defaults[0]) // a test reads every default
		return v.(T)
	}
	var none T
	return none
}

// list gives the values of a key that takes several, its default, or nil.
func list[T any](sc scope, name string) []T {
	var all []T
	if e := sc.entry(name); e != nil {
		for _, item := range e.items {
			all = append(all, item.value.(T))
		}
		return all
	}
	row := find(sc.table, name)
	for _, text := range row.defaults {
		v, _ := row.kind.parse(text)
		all = append(all, v.(T))
	}
	return all
}
