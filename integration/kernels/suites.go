package main

import (
	"fmt"
	"path"
	"strings"
)

// suite is tests of one package that are run on another kernel.
type suite struct {
	group    string // of those that are run together
	folder   string // of the package, from the project's
	run      string // names of the tests, as of -test.run; "": all
	parallel int    // tests at a time; 0: one
	limit    int    // seconds
	timed    string // names of those with bars for their time, or for the order in which processors get some, as run
	leaveOut string // names of tests that are not run
	lab      bool   // the tests are those of package integration, which take the program under test from elsewhere
}

// suites are what depends on the kernel.
var suites = []suite{
	{group: "edges", folder: "offload", run: "^TestKernel", limit: 60},
	{group: "edges", folder: "offload/tun", limit: 60},
	{group: "edges", folder: "offload/udp", limit: 60},
	{group: "edges", folder: "offload/ethtool", limit: 60},
	{group: "edges", folder: "tunnel/netconf", limit: 60},
	{group: "edges", folder: "tunnel/survey", limit: 60},
	{group: "edges", folder: "integration/lab", limit: 120},
	{group: "lro", folder: "integration", run: "^Test(CardLRO|DoctorLRO)", limit: 120, lab: true},
	{group: "vlan", folder: "integration", run: "^TestVLANDevice", parallel: 4, limit: 120, lab: true},
	{group: "gateways", folder: "integration", parallel: 6, limit: 170, lab: true, timed: "^Test(Superpackets|WireMTUChanges|OffloadSwitches|Uplinks|Lanes|Strands.*)$",
		run: "^Test(Traffic|Superpackets|Wire|Underlays|Uplinks|Offload|WireMTU|MSSAnd|MessagesTo|ECN|Doctor|Manage|Nothing|Leaves|TUNDeleted|Lanes|Strands)"},
	{group: "strongswan", folder: "integration", parallel: 6, limit: 170, lab: true, timed: "^TestStrongSwan.|^TestNATAndStrongSwan",
		run: "^Test(StrongSwan|NATAndStrongSwan)"},
	{group: "esp", folder: "integration", parallel: 2, limit: 120, lab: true, run: "^TestKernelESP"},
}

// groups are the names of all groups, in order.
func groups() []string {
	var names []string
	for _, s := range suites {
		if len(names) == 0 || names[len(names)-1] != s.group {
			names = append(names, s.group)
		}
	}
	return names
}

// binary is the name of the compiled tests.
func (s suite) binary() string { return strings.ReplaceAll(s.folder, "/", "-") + ".test" }

// name is what the suite is called in the summary and its log.
func (s suite) name() string { return s.group + "-" + path.Base(s.folder) }

// slowed is the suite on a machine without /dev/kvm, where each processor does a tenth of what it could.
func (s suite) slowed() suite {
	s.limit *= 8
	s.parallel = min(s.parallel, 2)
	s.leaveOut = s.timed
	return s
}

// arguments are those of the compiled tests, which are in a folder with the program under test.
func (s suite) arguments(folder string) []string {
	args := []string{path.Join(folder, s.binary()), "-test.v", fmt.Sprintf("-test.timeout=%ds", s.limit), fmt.Sprintf("-test.parallel=%d", max(s.parallel, 1))}
	if s.run != "" {
		args = append(args, "-test.run="+s.run)
	}
	if s.leaveOut != "" {
		args = append(args, "-test.skip="+s.leaveOut)
	}
	if s.lab {
		args = append(args, "-program="+path.Join(folder, programName), "-lro.card="+lroCard.name, "-lro.peer="+plainCard.name)
	}
	return args
}
