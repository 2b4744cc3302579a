// Command collector is the peer that the benchmark `speed` measures evp's collector against: what a
// good Go programmer writes with net/http, encoding/json and franz-go for the same two routes.
//
// POST /event and POST /events/batch take the same events by the same rules, answer with the same
// bodies, and answer only after the brokers reported every record of the request (acks=all,
// idempotent). Records carry the header that evp's do, without which the stages behind could not tell
// a redelivery from a second event: origin, time of receipt, shape, client address and event id.
// -headers=false leaves it out.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	maxBody  = 10 << 20
	maxBatch = 1000
)

// event is what a client sends; MetaData stays as it came.
type event struct {
	EventID    string          `json:"event_id"`
	EventType  string          `json:"event_type"`
	UserID     string          `json:"user_id"`
	CampaignID string          `json:"campaign_id"`
	GeoCountry string          `json:"geo_country"`
	DeviceType string          `json:"device_type"`
	CreatedAt  *time.Time      `json:"created_at"`
	MetaData   json.RawMessage `json:"meta_data"`
}

var (
	errRequired = errors.New("event_type, user_id and campaign_id are required")
	errBody     = errors.New("Invalid Request Body")
)

func (e *event) validate() error {
	if e.EventType == "" || e.UserID == "" || e.CampaignID == "" {
		return errRequired
	}
	for _, field := range []struct {
		name, value string
		limit       int
	}{
		{"event_id", e.EventID, 255},
		{"event_type", e.EventType, 100},
		{"user_id", e.UserID, 255},
		{"campaign_id", e.CampaignID, 255},
		{"device_type", e.DeviceType, 50},
	} {
		if len(field.value) > field.limit && utf8.RuneCountInString(field.value) > field.limit {
			return fmt.Errorf("%s must be at most %d characters", field.name, field.limit)
		}
	}
	if c := e.GeoCountry; c != "" && (len(c) != 2 || !isLetter(c[0]) || !isLetter(c[1])) {
		return errors.New("geo_country must be exactly 2 letters")
	}
	if m := e.MetaData; len(m) > 0 && m[0] != '{' && !bytes.Equal(m, []byte("null")) {
		return errors.New("meta_data must be an object")
	}
	if strings.IndexFunc(e.EventID, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
		return errors.New("event_id must not contain control characters")
	}
	return nil
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// stamp makes the headers of one request's records, in one buffer.
type stamp struct {
	received []byte
	address  string
	text     []byte
	headers  []kgo.RecordHeader
}

func (c *collector) stamp(r *http.Request, events int) *stamp {
	if !c.headers {
		return nil
	}
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	return &stamp{
		received: time.Now().UTC().AppendFormat(nil, " 2006-01-02T15:04:05.000Z campaign "),
		address:  address,
		text:     make([]byte, 0, events*128),
		headers:  make([]kgo.RecordHeader, 0, events),
	}
}

// header is what goes with the record of that id.
func (s *stamp) header(id string) []kgo.RecordHeader {
	if s == nil {
		return nil
	}
	start := len(s.text)
	s.text = append(s.text, newID()...)
	s.text = append(s.text, s.received...)
	s.text = append(s.text, s.address...)
	s.text = append(s.text, ' ')
	s.text = append(s.text, id...)
	s.headers = append(s.headers, kgo.RecordHeader{Key: "evp", Value: s.text[start:]})
	return s.headers[len(s.headers)-1:]
}

type collector struct {
	client  *kgo.Client
	topic   string
	headers bool
	bodies  sync.Pool
}

// publish hands over all records and returns when every one is reported. A client that leaves does
// not take its events back, so the request's context plays no part.
func (c *collector) publish(records []kgo.Record) error {
	var (
		wait    sync.WaitGroup
		failure atomic.Pointer[error]
	)
	wait.Add(len(records))
	reported := func(_ *kgo.Record, err error) {
		if err != nil {
			failure.CompareAndSwap(nil, &err)
		}
		wait.Done()
	}
	for i := range records {
		c.client.Produce(context.Background(), &records[i], reported)
	}
	wait.Wait()
	if err := failure.Load(); err != nil {
		return *err
	}
	return nil
}

// body reads the request into a pooled buffer; it goes back when the records are reported.
func (c *collector) body(w http.ResponseWriter, r *http.Request) (*bytes.Buffer, error) {
	buffer := c.bodies.Get().(*bytes.Buffer)
	buffer.Reset()
	if r.ContentLength > 0 && r.ContentLength <= maxBody {
		buffer.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	return buffer, err
}

func (c *collector) single(w http.ResponseWriter, r *http.Request) {
	body, err := c.body(w, r)
	defer c.bodies.Put(body)
	var e event
	if err != nil || json.Unmarshal(body.Bytes(), &e) != nil {
		refuse(w, http.StatusBadRequest, errBody)
		return
	}
	if err := e.validate(); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	if e.EventID == "" {
		e.EventID = newID()
	}
	records := []kgo.Record{{
		Topic:   c.topic,
		Key:     []byte(e.UserID),
		Value:   bytes.TrimSpace(body.Bytes()),
		Headers: c.stamp(r, 1).header(e.EventID),
	}}
	if err := c.publish(records); err != nil {
		unavailable(w, err)
		return
	}
	answer(w, http.StatusAccepted, struct {
		Status  string `json:"status"`
		EventID string `json:"event_id"`
	}{"queued", e.EventID})
}

type refusal struct {
	Index  int    `json:"index"`
	Status string `json:"status"`
	Error  string `json:"error"`
}

func (c *collector) batch(w http.ResponseWriter, r *http.Request) {
	body, err := c.body(w, r)
	defer c.bodies.Put(body)
	if err != nil {
		refuse(w, http.StatusBadRequest, errBody)
		return
	}
	records, refused, err := c.split(r, body.Bytes())
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, err)
		return
	case len(records)+len(refused) == 0:
		refuse(w, http.StatusBadRequest, errors.New("At least one event is required"))
		return
	case len(records) == 0:
		answer(w, http.StatusBadRequest, map[string]any{
			"error": "no event of the batch is valid", "count": 0, "results": refused,
		})
		return
	}
	if err := c.publish(records); err != nil {
		unavailable(w, err)
		return
	}
	answer(w, http.StatusAccepted, struct {
		Count   int       `json:"count"`
		Status  string    `json:"status"`
		Results []refusal `json:"results,omitempty"`
	}{len(records), "queued", refused})
}

// split reads the array once; each record's value is a slice of the client's own bytes.
func (c *collector) split(r *http.Request, body []byte) ([]kgo.Record, []refusal, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if open, err := decoder.Token(); err != nil || open != json.Delim('[') {
		return nil, nil, errBody
	}
	var refused []refusal
	expected := min(len(body)/200+1, maxBatch)
	records := make([]kgo.Record, 0, expected)
	stamp := c.stamp(r, expected)
	for index := 0; decoder.More(); index++ {
		if index == maxBatch {
			return nil, nil, fmt.Errorf("Maximum %d events per batch", maxBatch)
		}
		start := decoder.InputOffset()
		var e event
		err := decoder.Decode(&e)
		var wrongType *json.UnmarshalTypeError
		if err != nil && !errors.As(err, &wrongType) {
			return nil, nil, errBody
		}
		if err == nil {
			err = e.validate()
		}
		if err != nil {
			refused = append(refused, refusal{index, "rejected", err.Error()})
			continue
		}
		if e.EventID == "" {
			e.EventID = newID()
		}
		records = append(records, kgo.Record{
			Topic:   c.topic,
			Key:     []byte(e.UserID),
			Value:   bytes.TrimLeft(body[start:decoder.InputOffset()], ", \t\r\n"),
			Headers: stamp.header(e.EventID),
		})
	}
	if _, err := decoder.Token(); err != nil {
		return nil, nil, errBody
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, nil, errBody
	}
	return records, refused, nil
}

func newID() string {
	id, err := uuid.NewV7()
	if err != nil {
		log.Fatal(err)
	}
	return id.String()
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(text)
}

func refuse(w http.ResponseWriter, status int, err error) {
	answer(w, status, map[string]string{"error": err.Error()})
}

func unavailable(w http.ResponseWriter, err error) {
	w.Header().Set("Retry-After", "5")
	refuse(w, http.StatusServiceUnavailable, err)
}

func main() {
	brokers := flag.String("brokers", "127.0.0.1:9092", "addresses of brokers")
	topic := flag.String("topic", "raw-events", "topic of accepted events")
	linger := flag.Duration("linger", 5*time.Millisecond, "how long a record waits for others")
	headers := flag.Bool("headers", true, "give each record the header that evp's have")
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	// In place of a system call for each id.
	uuid.EnableRandPool()

	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(*brokers, ",")...),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(*linger),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.MaxBufferedRecords(200_000),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	c := &collector{client: client, topic: *topic, headers: *headers}
	c.bodies.New = func() any { return new(bytes.Buffer) }

	mux := http.NewServeMux()
	mux.HandleFunc("POST /event", c.single)
	mux.HandleFunc("POST /events/batch", c.batch)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	go func() {
		<-stop.Done()
		server.Shutdown(context.Background())
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
