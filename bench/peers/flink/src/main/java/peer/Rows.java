package peer;

/** What is written for each sink: the same fields as Anabranch writes. Texts are ASCII without quotes here, but one that
 * is not is escaped all the same. */
final class Rows {
    private Rows() {}

    static void elasticsearch(StringBuilder to, Event e) {
        to.append("{\"index\":{\"_index\":\"engagement-events-").append(e.eventTs, 0, 10).append("\",\"_id\":\"").append(e.id)
                .append("\",\"version\":").append(e.lsn).append(",\"version_type\":\"external\"}}\n{\"id\":").append(e.id);
        field(to, "content_id", e.contentId);
        field(to, "user_id", e.userId);
        field(to, "event_type", e.type);
        field(to, "device", e.device);
        field(to, "content_type", e.contentType);
        field(to, "event_timestamp", e.eventTs);
        to.append(",\"duration_ms\":");
        number(to, e.durationMs);
        percent(to, e);
        to.append(",\"processing_time\":").append(e.kafkaMs);
        field(to, "@timestamp", e.eventTs);
        to.append(",\"deleted\":").append("d".equals(e.op)).append("}\n");
    }

    static void bigquery(StringBuilder to, Event e, String topic) {
        to.append("{\"insertId\":\"").append(topic).append('-').append(e.partition).append('-').append(e.offset)
                .append("\",\"json\":{\"id\":\"").append(e.id).append("\",\"version\":\"").append(e.lsn).append('"');
        field(to, "content_id", e.contentId);
        field(to, "user_id", e.userId);
        field(to, "event_type", e.type);
        field(to, "event_ts", e.eventTs);
        field(to, "device", e.device);
        field(to, "content_type", e.contentType);
        to.append(",\"duration_ms\":");
        number(to, e.durationMs);
        percent(to, e);
        field(to, "op", e.op);
        to.append(",\"deleted\":").append("d".equals(e.op));
        field(to, "kafka_topic", topic);
        to.append(",\"kafka_partition\":\"").append(e.partition).append("\",\"kafka_offset\":\"").append(e.offset)
                .append("\",\"kafka_ts\":\"").append(e.kafkaMs / 1000.0).append("\"}}");
    }

    private static void percent(StringBuilder to, Event e) {
        to.append(",\"engagement_pct\":");
        if (e.pctHundredths < 0) {
            to.append("null");
            return;
        }
        long rest = e.pctHundredths % 100;
        to.append(e.pctHundredths / 100).append(rest < 10 ? ".0" : ".").append(rest);
    }

    private static void number(StringBuilder to, long value) {
        if (value < 0) {
            to.append("null");
        } else {
            to.append(value);
        }
    }

    private static void field(StringBuilder to, String name, String value) {
        to.append(",\"").append(name).append("\":");
        if (value == null) {
            to.append("null");
            return;
        }
        to.append('"');
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c == '"' || c == '\\') {
                to.append('\\').append(c);
            } else if (c < ' ') {
                to.append(String.format("\\u%04x", (int) c));
            } else {
                to.append(c);
            }
        }
        to.append('"');
    }
}
