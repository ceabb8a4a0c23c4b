// Writes the files beside this one, the way the Go project wrote its own: snapshots with encoding/gob, logs with
// fmt.Sprintf. Run once (`go run make.go` in this folder); the files are committed and stay for ever.
package main

import (
	"bytes"
	"encoding/gob"
	"log"
	"os"
	"strings"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func snapshot(stamp string, store map[string][]byte) {
	file, err := os.Create("snapshots/snapshot-" + stamp + ".rdb")
	must(err)
	defer file.Close()
	must(gob.NewEncoder(file).Encode(store))
}

func main() {
	must(os.MkdirAll("snapshots", 0o755))
	must(os.MkdirAll("logs", 0o755))
	var every bytes.Buffer
	for i := 0; i < 256; i++ {
		every.WriteByte(byte(i))
	}
	snapshot("20240101T120000", map[string][]byte{})
	snapshot("20240102T120000", map[string][]byte{
		"user":      []byte("johndoe"),
		"two words": []byte("any value"),
		"empty":     {},
		"binary":    every.Bytes(),
		"long":      []byte(strings.Repeat("x", 70000)),
		"ключ":      []byte("значение"),
		"removed":   []byte("later"),
	})
	must(os.WriteFile("logs/appendonly-20240102T130000.aof", []byte(
		"SET user janedoe\n"+
			"SET empty2 \n"+
			"DEL removed\n"+
			"DEL two words\n"+
			"SET certain "+strings.Repeat("y", 100000)+"\n"), 0o644))
}
