package main

import (
	"cmp"
	"debug/elf"
	"debug/gosym"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// symbols turns addresses of a Go program, and of the kernel that it runs on, into names of functions.
type symbols struct {
	program *gosym.Table
	kernel  []kernelSymbol // in the order of addresses
	found   map[uint64]category
}

type kernelSymbol struct {
	address uint64
	name    string
}

// kernelSpace is where the kernel's addresses begin, on every 64-bit machine.
const kernelSpace = 1 << 63

// readSymbols reads the program's own table of functions, which is there in a stripped one too.
func readSymbols(program string) (*symbols, error) {
	file, err := elf.Open(program)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, table := file.Section(".text"), file.Section(".gopclntab")
	if text == nil || table == nil {
		return nil, fmt.Errorf("%s is no Go program with its table of functions", program)
	}
	data, err := table.Data()
	if err != nil {
		return nil, fmt.Errorf("%s: table of functions: %w", program, err)
	}
	s := &symbols{found: map[uint64]category{}}
	if s.program, err = gosym.NewTable(nil, gosym.NewLineTable(data, text.Addr)); err != nil {
		return nil, fmt.Errorf("%s: table of functions: %w", program, err)
	}
	list, err := os.ReadFile("/proc/kallsyms")
	if err == nil { // without it the kernel's functions have no names, and nothing else is lost
		s.kernel = parseKallsyms(string(list))
	}
	return s, nil
}

// parseKallsyms reads lines of "address type name".
func parseKallsyms(text string) (list []kernelSymbol) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 || !strings.ContainsAny(f[1], "tTwW") {
			continue
		}
		if address, err := strconv.ParseUint(f[0], 16, 64); err == nil && address != 0 { // 0: hidden from us
			list = append(list, kernelSymbol{address, f[2]})
		}
	}
	slices.SortStableFunc(list, func(a, b kernelSymbol) int { return cmp.Compare(a.address, b.address) })
	return list
}

// name is that of the function at an address; "?": none is known.
func (s *symbols) name(address uint64) string {
	if address < kernelSpace {
		if f := s.program.PCToFunc(address); f != nil {
			return f.Name
		}
		return "?"
	}
	i, exact := slices.BinarySearchFunc(s.kernel, address, func(k kernelSymbol, a uint64) int { return cmp.Compare(k.address, a) })
	if !exact {
		i--
	}
	if i < 0 {
		return "? in the kernel"
	}
	return s.kernel[i].name
}

// classify is classify for a stack of addresses. Each is looked up once.
func (s *symbols) classify(stack []uint64) category {
	for _, address := range stack {
		if address >= kernelSpace {
			continue // the kernel's work belongs to the call
		}
		c, ok := s.found[address]
		if !ok {
			c = caller
			if r := ruleOf(s.name(address)); r != nil {
				c = r.category
			}
			s.found[address] = c
		}
		if c != caller {
			return c
		}
	}
	return rest
}
