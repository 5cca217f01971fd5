package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
)

// defaultConfigFile is read where --config is not given and it exists.
const defaultConfigFile = "accrue.yaml"

// connectTimeout is how long a command for people waits for the cluster before it says that nobody answers.
const connectTimeout = 15 * time.Second

func configFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "config", "", "the configuration file (default: accrue.yaml here, if there is one; ACCRUE_... variables win over it)")
}

// loadConfig reads the configuration file and the environment. What is wrong in them is wrong input.
func loadConfig(path string) (processor.Config, error) {
	if path == "" {
		if _, err := os.Stat(defaultConfigFile); err == nil {
			path = defaultConfigFile
		} else if !errors.Is(err, fs.ErrNotExist) {
			return processor.Config{}, fmt.Errorf("looking for the configuration: %w", err)
		}
	}
	c, err := processor.LoadConfig(path, os.Environ())
	var wrong *processor.ConfigError
	switch {
	case errors.As(err, &wrong) && path == "":
		return c, invalidf("no configuration file was given (--config), and the environment alone does not do:\n%w", err)
	case errors.As(err, &wrong):
		return c, invalidf("the configuration is wrong:\n%w", err)
	case errors.Is(err, fs.ErrNotExist):
		return c, invalidf("%w", err)
	}
	return c, err
}

// connect returns a client of the cluster that somebody has answered. The caller closes it.
func connect(ctx context.Context, c processor.Config, more ...kgo.Opt) (*kgo.Client, error) {
	options, err := c.Kafka.ClientOptions()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(options, more...)...)
	if err != nil {
		return nil, fmt.Errorf("making a Kafka client: %w", err)
	}
	patient, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := client.Ping(patient); err != nil {
		client.Close()
		return nil, fmt.Errorf("connecting to Kafka at %s: %w; is it running, and are kafka.brokers, kafka.tls and kafka.sasl right?",
			strings.Join(c.Kafka.Brokers, ", "), err)
	}
	return client, nil
}
