package main

import (
	"encoding/json"
	"os"
	"sync"

	"github.com/redpanda-data/benthos/v4/public/bloblang"
)

// contents is loaded once from PEER_CONTENTS: {"<id>":{"type":"video","seconds":120},…}.
var contents = sync.OnceValues(func() (map[string]any, error) {
	text, err := os.ReadFile(os.Getenv("PEER_CONTENTS"))
	if err != nil {
		return nil, err
	}
	found := map[string]any{}
	return found, json.Unmarshal(text, &found)
})

func init() {
	spec := bloblang.NewPluginSpec().Param(bloblang.NewAnyParam("id"))
	err := bloblang.RegisterFunctionV2("look_up", spec, func(args *bloblang.ParsedParams) (bloblang.Function, error) {
		id, err := args.Get("id")
		if err != nil {
			return nil, err
		}
		return func() (any, error) {
			all, err := contents()
			if err != nil {
				return nil, err
			}
			key, _ := id.(string)
			return all[key], nil
		}, nil
	})
	if err != nil {
		panic(err)
	}
}
