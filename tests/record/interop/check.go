// Reads a tiled log from a folder with the Go project's own code (golang.org/x/mod/sumdb), and checks all of it.
//
//	check FOLDER VERIFIER-KEY
//
// The folder holds checkpoint, tile/… and, in older/, checkpoints that were kept earlier.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

var folder = os.Args[1]

type tiles struct{}

func (tiles) Height() int { return 8 }

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		// The specification leaves out the height, which is always 8.
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(folder, path))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func open(name string, verifiers note.Verifiers) tlog.Tree {
	text, err := os.ReadFile(filepath.Join(folder, name))
	check(err)
	opened, err := note.Open(text, verifiers)
	check(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	raw, err := base64.StdEncoding.DecodeString(lines[2])
	check(err)
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], raw)
	return tree
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func entries(size int64) [][]byte {
	var found [][]byte
	for n := int64(0); n*256 < size; n++ {
		width := size - n*256
		if width > 256 {
			width = 256
		}
		path := strings.Replace(tlog.Tile{H: 8, L: 0, N: n, W: int(width)}.Path(), "tile/8/0/", "tile/entries/", 1)
		data, err := os.ReadFile(filepath.Join(folder, path))
		check(err)
		for len(data) > 0 {
			end := 2 + int(binary.BigEndian.Uint16(data))
			found = append(found, data[2:end])
			data = data[end:]
		}
	}
	return found
}

func main() {
	verifier, err := note.NewVerifier(os.Args[2])
	check(err)
	verifiers := note.VerifierList(verifier)
	tree := open("checkpoint", verifiers)
	reader := tlog.TileHashReader(tree, tiles{})
	if whole, err := tlog.TreeHash(tree.N, reader); err != nil || whole != tree.Hash {
		log.Fatal("the tiles are not those of the checkpoint: ", err)
	}
	all := entries(tree.N)
	if int64(len(all)) != tree.N {
		log.Fatalf("%d entries, and %d signed for", len(all), tree.N)
	}
	step := tree.N/200 + 1
	for n := int64(0); n < tree.N; n += step {
		proof, err := tlog.ProveRecord(tree.N, n, reader)
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, n, tlog.RecordHash(all[n])))
	}
	older, err := os.ReadDir(filepath.Join(folder, "older"))
	check(err)
	for _, kept := range older {
		old := open(filepath.Join("older", kept.Name()), verifiers)
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		check(err)
		check(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
	}
	// The proofs that the log itself made, one a line: inclusion N HASH… or consistency N HASH…
	given, err := os.ReadFile(filepath.Join(folder, "proofs"))
	check(err)
	for _, line := range strings.Split(strings.TrimSpace(string(given)), "\n") {
		words := strings.Fields(line)
		at, err := strconv.ParseInt(words[1], 10, 64)
		check(err)
		var hashes []tlog.Hash
		for _, word := range words[2:] {
			raw, err := base64.StdEncoding.DecodeString(word)
			check(err)
			var hash tlog.Hash
			copy(hash[:], raw)
			hashes = append(hashes, hash)
		}
		if words[0] == "inclusion" {
			check(tlog.CheckRecord(hashes, tree.N, tree.Hash, at, tlog.RecordHash(all[at])))
		} else {
			old, err := tlog.TreeHash(at, reader)
			check(err)
			check(tlog.CheckTree(hashes, tree.N, tree.Hash, at, old))
		}
	}
	fmt.Printf("holds: %d entries, %d older checkpoints\n", tree.N, len(older))
}
