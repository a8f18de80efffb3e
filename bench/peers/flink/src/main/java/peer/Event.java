package peer;

/** One change, decoded and enriched. Reused nowhere: with object reuse on, it is passed by reference along the chain. */
public final class Event {
    public long id;
    public long lsn;
    public String contentId;
    public String userId;
    public String type;
    public String eventTs;
    public String device;
    public String op;
    public String contentType;
    public long durationMs = -1;
    public long pctHundredths = -1;
    public int partition;
    public long offset;
    public long kafkaMs;
}
