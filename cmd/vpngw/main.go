// Vpngw joins site networks by IPsec: IKEv2 for the keys, ESP in UDP for the packets, one YAML file for the tunnels.
package main

import "os"

func main() {
	os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
