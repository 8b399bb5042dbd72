// Package order is what the two sides of `make kernels` say to each other: the program on this machine writes an [Order], the
// first process of the booted machine answers with a stream of [Event]s, one JSON object a line, over a virtio port.
package order

// What both sides know the same things by.
const (
	// RootTag is the 9p file system with the root of this machine's files.
	RootTag = "root"
	// WorkTag is the one with the [Order] and the programs to run, which the booted machine has at WorkFolder.
	WorkTag    = "work"
	WorkFolder = "/mnt"
	// ModulesTag is the one with the modules of the kernel.
	ModulesTag = "modules"
	// File is the name of the [Order] in WorkFolder.
	File = "order.json"
	// Port is the name of the virtio port for the events.
	Port = "vpngw.events"
	// EarlyModules is the folder of the initramfs with the modules that lead to the file systems, in the order of their names.
	EarlyModules = "/early"
)

// Order says what the booted machine is to do before it switches itself off.
type Order struct {
	Modules []string          // of the kernel, by name, in the order in which they are loaded
	Cards   map[string]string // what network cards are to be called, by their hardware addresses
	Jobs    []Job
}

// Job is a program to run, as root.
type Job struct {
	Dir   string   // working directory
	Args  []string // the program and its arguments
	Limit int      // seconds after which it is killed
}

// Event is something that happened to a job.
type Event struct {
	Job    int    // index in [Order.Jobs]
	Output []byte `json:",omitempty"` // the next bytes of its standard output and error
	Done   bool   `json:",omitempty"` // it has ended
	Exit   int    `json:",omitempty"` // its exit code; -1: killed, for its time or by a signal
	Failed string `json:",omitempty"` // why it could not be run to its end
}
