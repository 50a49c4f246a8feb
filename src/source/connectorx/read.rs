//! The reading itself, on a thread of its own: connectorx' connection, parser and builders, turned by us row by row.

use std::sync::Arc;

use ::connectorx::prelude::{
    ArrowDestination, ArrowPartitionWriter, CXQuery, ConnectorXError, DataOrder, Destination, DestinationPartition,
    PartitionParser, PostgresArrowTransport, PostgresArrowTransportError, PostgresSource as Connection, Source,
    SourcePartition, Transport,
};
use ::connectorx::sources::postgres::{BinaryProtocol, PostgresSourceError};
use arrow::array::RecordBatch;
use tokio_postgres::{Config, NoTls};

use super::bridge::hand_over;
use super::line::{Line, Watch};
use super::plan::Plan;
use crate::error::{Error, Result};
use crate::source::decode::{ArrayDecoder, Layout, Noted};
use crate::source::failure::{failure, malformed};
use crate::source::pace::Pace;

/// connectorx' conversions of values; they are the same for every kind of connection.
type Conversions = PostgresArrowTransport<BinaryProtocol, NoTls>;

/// All that the thread needs.
pub(super) struct Order {
    pub(super) config: Config,
    pub(super) line: Line,
    /// What the session does first, a statement each.
    pub(super) before: Vec<String>,
    pub(super) plan: Plan,
    pub(super) layout: Layout,
    pub(super) pace: Pace,
}

/// Reads a slice and hands each batch to `send`, which says whether anybody still wants them. What it returns is good only
/// when the whole slice was read and the server has counted as many rows.
pub(super) fn read(order: Order, mut send: impl FnMut(RecordBatch) -> bool) -> Result<Noted> {
    let Order { config, line, before, plan, layout, pace } = order;
    let (table, columns) = (layout.table.clone(), plan.forms.len());
    let (batch_rows, batch_bytes) = (layout.batch_rows, layout.batch_bytes as u64);
    let labels: Vec<String> = layout.schema.fields().iter().map(|field| field.name().clone()).collect();
    let watch = line.watch.clone();
    let mut decoder = ArrayDecoder::new(layout, plan.forms);

    let refused = |cause| broken(&table, "the table cannot be read", cause);
    let mut connection = Connection::<BinaryProtocol, Line>::new(config.into(), line, 1).map_err(refused)?;
    connection.set_data_order(DataOrder::RowMajor).map_err(refused)?;
    // The types are asked for outside the snapshot, and not of the table: see `Plan::probe`.
    connection.set_queries(&[CXQuery::naked(plan.probe)]);
    connection.fetch_metadata().map_err(refused)?;
    let (names, types) = (connection.names(), connection.schema());
    connection.set_queries(&[CXQuery::naked(plan.statement)]);
    connection.set_pre_execution_queries(Some(&before));
    let mut destination = ArrowDestination::new_with_batch_size(batch_rows);
    let (mut writer, steps) = prepare(&mut destination, &names, &types).map_err(|cause| told(&table, "", cause))?;
    let entered = connection.partition().map_err(|cause| broken(&table, "the snapshot cannot be entered", cause))?;
    let Some(mut partition) = entered.into_iter().next() else { return Err(malformed(&table, "nothing to be read")) };

    // From here on a failure must not wait for the rest of the rows, which is what closing the session would do.
    let mut brake = Brake { watch: &watch, armed: true };
    let mut parser = partition.parser().map_err(refused)?;
    let (mut rows, mut cut_at, mut paid) = (0_u64, watch.received(), watch.received());
    loop {
        let fetched = parser.fetch_next();
        let received = watch.received();
        if let Some(wait) = pace.charge(usize::try_from(received - paid).unwrap_or(usize::MAX)) {
            std::thread::sleep(wait);
        }
        paid = received;
        let (count, last) =
            fetched.map_err(|cause| broken(&table, "the read broke off; what came is discarded", cause))?;
        for _ in 0..count {
            for (index, step) in steps.iter().enumerate() {
                step(&mut parser, &mut writer)
                    .map_err(|cause| told(&table, labels.get(index).map_or("", String::as_str), cause))?;
            }
        }
        rows += count as u64;
        if last || watch.received() - cut_at >= batch_bytes {
            writer.finalize().map_err(|cause| told(&table, "", cause))?;
            cut_at = watch.received();
        }
        for batch in finished(&mut destination).map_err(|cause| told(&table, "", cause))? {
            let arrays = batch.columns().iter().take(columns).map(|array| hand_over(array.as_ref()));
            let arrays = arrays.collect::<std::result::Result<Vec<_>, _>>().map_err(|cause| told(&table, "", cause))?;
            if !decoder.push(batch.num_rows(), &arrays, &mut send)? {
                return Err(malformed(&table, "nobody waits for these rows any longer"));
            }
        }
        if last {
            break;
        }
    }
    drop(parser);
    brake.armed = false;
    // Closing the session waits for the end of the COPY, and so for the row count in it.
    drop(partition);
    whole(&table, &watch, rows, decoder)
}

/// Ends the connection when the read is left before its end.
struct Brake<'a> {
    watch: &'a Arc<Watch>,
    armed: bool,
}

impl Drop for Brake<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.watch.stop();
        }
    }
}

/// connectorx' parser of a binary `COPY`.
type Parser<'a> = <<Connection<BinaryProtocol, NoTls> as Source>::Partition as SourcePartition>::Parser<'a>;
/// Moves one value from the parser to the builder of its column.
type Step<'a> = fn(&mut Parser<'a>, &mut ArrowPartitionWriter) -> Result<(), PostgresArrowTransportError>;

fn prepare<'a>(
    destination: &mut ArrowDestination,
    names: &[String],
    types: &[<Conversions as Transport>::TSS],
) -> Result<(ArrowPartitionWriter, Vec<Step<'a>>), PostgresArrowTransportError> {
    let arrow = types.iter().map(|kind| Conversions::convert_typesystem(*kind)).collect::<Result<Vec<_>, _>>()?;
    let pairs = types.iter().zip(&arrow);
    let steps = pairs.map(|(from, to)| Conversions::processor(*from, *to)).collect::<Result<Vec<_>, _>>()?;
    destination.allocate(0, names, &arrow, DataOrder::RowMajor)?;
    let writer = destination.partition(1)?.pop();
    let writer = writer.ok_or_else(ConnectorXError::CountError)?;
    Ok((writer, steps))
}

/// The batches that are complete, in order; connectorx hands out the newest first.
fn finished(
    destination: &mut ArrowDestination,
) -> Result<Vec<arrow56::array::RecordBatch>, PostgresArrowTransportError> {
    let mut batches = Vec::new();
    while let Some(batch) = destination.record_batch()? {
        batches.push(batch);
    }
    batches.retain(|batch| batch.num_rows() > 0);
    batches.reverse();
    Ok(batches)
}

/// Accepts the read only if the server has counted as many rows as were decoded.
fn whole(table: &str, watch: &Watch, read: u64, decoder: ArrayDecoder) -> Result<Noted> {
    let counted = watch.tally.copied();
    if counted == Some(read) && decoder.rows() == read {
        return Ok(decoder.finish());
    }
    let counted = counted.map_or_else(|| "nothing".to_owned(), |counted| counted.to_string());
    Err(Error::Source {
        table: table.to_owned(),
        message: format!(
            "{} rows were read, the server says {counted}; what came is discarded: run the same command again",
            decoder.rows()
        ),
        transient: true,
        cause: None,
    })
}

/// A failure of the connection or of the server.
fn broken(table: &str, doing: &str, cause: PostgresSourceError) -> Error {
    match cause {
        PostgresSourceError::PostgresError(cause) => failure(table, doing, cause),
        PostgresSourceError::PostgresPoolError(cause) => Error::Source {
            table: table.to_owned(),
            message: format!("{doing}: there is no connection: {cause}; run the same command again"),
            transient: true,
            cause: None,
        },
        other => malformed(table, format!("{doing}: {other}")),
    }
}

/// A value or a batch that connectorx cannot make: never repeated.
fn told(table: &str, column: &str, cause: impl std::fmt::Display) -> Error {
    let place = if column.is_empty() { String::new() } else { format!("column {column}: ") };
    malformed(table, format!("{place}connectorx says: {cause}; read it with --reader copy"))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Schema;
    use secrecy::SecretString;
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::source::connectorx::line::line;
    use crate::source::conninfo::Whose;
    use crate::source::tap::Tapped;
    use crate::source::target::Target;

    fn decoder(rows: usize) -> ArrayDecoder {
        let layout = Layout {
            table: "public.t".into(),
            schema: Arc::new(Schema::empty()),
            wires: Vec::new(),
            key: Vec::new(),
            partition: 0,
            batch_rows: 1,
            batch_bytes: 1,
        };
        let mut decoder = ArrayDecoder::new(layout, Vec::new());
        decoder.push(rows, &[], |_| true).unwrap();
        decoder
    }

    #[tokio::test]
    async fn a_read_is_accepted_only_with_the_servers_own_count() {
        let target = Target::parse(&SecretString::from("postgres://u@127.0.0.1/d"), false, Whose::Source).unwrap();
        let (_, line) = line(&target, &target.places[0], None, false).unwrap();
        let silent = whole("public.t", &line.watch, 2, decoder(2)).unwrap_err();
        assert!(silent.is_transient() && silent.to_string().contains("the server says nothing"), "{silent}");
        let mut said = Tapped::new(&b"C\0\0\0\x0bCOPY 2\0"[..], line.watch.tally.clone());
        said.read_to_end(&mut Vec::new()).await.unwrap();
        whole("public.t", &line.watch, 2, decoder(2)).unwrap();
        for (read, decoded) in [(1, 1), (1, 2), (2, 1), (3, 3)] {
            let error = whole("public.t", &line.watch, read, decoder(decoded)).unwrap_err();
            assert!(error.is_transient() && error.to_string().contains("the server says 2"), "{error}");
        }
    }
}
