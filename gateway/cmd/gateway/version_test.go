package main

import (
	"os"
	"regexp"
	"testing"
)

func TestTheVersionIsThatOfTheRepository(t *testing.T) {
	manifest, err := os.ReadFile("../../../Cargo.toml")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^version = "(.+)"$`).FindSubmatch(manifest)
	if found == nil || string(found[1]) != version {
		t.Errorf("the gateway says %s, and Cargo.toml %q", version, found)
	}
}
