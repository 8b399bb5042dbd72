# vpngw. `make demo` and `make test` are all that a newcomer needs; `make help` lists the rest.

GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BENCH       ?=
ENDURE      ?=
FAIRNESS    ?=
PROFILE     ?=
SCALE       ?=
KERNELS     ?=
FUZZTIME    ?= 1m
SEEDS       ?= 100000

# What the tests run beside Go: a C compiler for the race detector, namespaces, traffic, second readers, a peer.
TEST_PACKAGES  = gcc libc6-dev iproute2 iperf3 ethtool nftables procps util-linux openssl tshark \
                 charon-systemd strongswan-swanctl libcharon-extra-plugins libstrongswan-standard-plugins
BENCH_PACKAGES = iproute2 iperf3 ethtool
# A machine to boot other kernels in, and what it takes to make their first files.
KERNEL_PACKAGES = qemu-system-x86 kmod xz-utils

.PHONY: help build demo test bench combinations kernels profile scale rekey restart flood fairness seeds fuzz check schema test-packages bench-packages kernel-packages clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

build: ## bin/vpngw, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/vpngw ./cmd/vpngw

demo: build ## real gateways, real traffic, a FIFO beside the fair queue, one screen of results (root)
	./bin/vpngw demo

test: test-packages check ## formatting, vet, staticcheck, all tests (root for those in namespaces)
	@# -count=1: some tests run the program, of which go test's cache knows nothing.
	$(GO) test -count=1 -race $$($(GO) list ./... | grep -v /integration)
	@# Most of these tests wait: for timers, and for others to find something out.
	$(GO) test -count=1 -parallel 6 -timeout 9m ./integration/...

check: ## gofmt, go vet, staticcheck
	@bad=$$(gofmt -l .); [ -z "$$bad" ] || { echo "not formatted: $$bad"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

bench: bench-packages build ## vpngw beside plain forwarding, wireguard-go and Tailscale's fork (root); BENCH='-rounds 5' for more
	$(GO) run ./integration/bench -o out/bench.json $(BENCH)

profile: bench-packages ## where a superpacket's microseconds go, part by part (root); PROFILE='-only tcp1 -against old.json' for what has changed
	$(GO) run ./integration/profile -o out/profile.json $(PROFILE)

combinations: test-packages ## the same traffic under every combination of offload switches at each end, not only a selection (root)
	$(GO) test -count=1 -timeout 30m -run '^TestOffloadCombinations$$' ./integration -offload.all

kernels: test-packages kernel-packages ## what depends on the kernel, on Debian's kernels in virtual machines; KERNELS='-only lro,vlan' for less
	$(GO) run ./integration/kernels $(KERNELS)

rekey: bench-packages ## 1,000 child and 100 IKE rekeys under full TCP: no packet lost, no throughput lost (root); ENDURE='-pin' for more
	$(GO) run ./integration/endure rekey -o out/rekey.json $(ENDURE)

restart: bench-packages ## a peer killed 50 times in two ways: packets flow within 2 s of its return (root)
	$(GO) run ./integration/endure restart -o out/restart.json $(ENDURE)

flood: bench-packages ## TCP beside 50,000 unauthenticated datagrams a second of every kind (root)
	$(GO) run ./integration/endure flood -o out/flood.json $(ENDURE)

fairness: bench-packages ## four tunnels on one wire: vpngw beside a FIFO and wireguard-go (root); FAIRNESS='-rates 400 -only even' for less
	$(GO) run ./integration/fairness -o out/fairness.json $(FAIRNESS)

scale: bench-packages ## a hub with 1,000 tunnels, 10 of them busy, beside one with 10 (root); SCALE='-only throughput' for less
	$(GO) run ./integration/scale -o out/scale.json $(SCALE)

fuzz: ## every fuzz target for FUZZTIME each
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
	  done; done

seeds: ## SEEDS random lives of two gateways in the simulation; one that fails is printed and run again by -ike.seed=N
	$(GO) test -count=1 -timeout 0 -run '^TestSeeds$$' ./crypto/ike -ike.seeds=$(SEEDS)

schema: ## configs/schema.json from the table of keys
	$(GO) generate ./configs

clean: ## removes what was built
	rm -rf bin out

# Installs what is missing of the Debian packages $(1), as root; else says what to install.
define need
	@missing=; for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then echo "please install:$$missing"; exit 0; fi; \
	echo "installing:$$missing"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null
endef

test-packages:
	$(call need,$(TEST_PACKAGES))

bench-packages:
	$(call need,$(BENCH_PACKAGES))

kernel-packages:
	$(call need,$(KERNEL_PACKAGES))
