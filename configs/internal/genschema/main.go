// Genschema writes the JSON Schema of the tunnel file to the file named by its argument.
package main

import (
	"fmt"
	"os"

	"vpngw/configs"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: genschema FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], configs.JSONSchema(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "genschema:", err)
		os.Exit(1)
	}
}
