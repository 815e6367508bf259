//! The shell around [`crate::route`]: `wasi:http/incoming-handler` 0.2 in, host streams out.

use crate::route::{self, BODY_BYTES_MAX, Reply, Request};
use crate::store::Store;
use std::io::{Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

/// Where the host mounts the scratch of the lease.
const FOLDER: &str = "/data";

struct Guestbook;

wasip2::http::proxy::export!(Guestbook);

impl Guest for Guestbook {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let method = name_of(&request.method());
        let reply = match body_of(&request, &method) {
            Ok(body) => {
                let target = request.path_with_query().unwrap_or_default();
                let content_type = content_type_of(&request);
                let request = Request { method: &method, target: &target, content_type: &content_type, body: &body };
                route::reply(request, &Store::new(FOLDER), now_ms())
            }
            // The visitor hung up in the middle of the body: nobody is left to answer.
            Err(error) => return ResponseOutparam::set(out, Err(error)),
        };
        send(reply, method == "HEAD", out);
    }
}

fn name_of(method: &Method) -> String {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
    .to_owned()
}

fn content_type_of(request: &IncomingRequest) -> String {
    let values = request.headers().get("content-type");
    values.into_iter().next().and_then(|value| String::from_utf8(value).ok()).unwrap_or_default()
}

fn body_of(request: &IncomingRequest, method: &str) -> Result<Vec<u8>, ErrorCode> {
    let mut body = Vec::new();
    if method != "POST" {
        return Ok(body);
    }
    let internal = |()| ErrorCode::InternalError(None);
    let incoming = request.consume().map_err(internal)?;
    let stream = incoming.stream().map_err(internal)?;
    // One byte over the limit tells the router that there was more.
    let limit = BODY_BYTES_MAX as u64 + 1;
    stream.take(limit).read_to_end(&mut body).map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;
    Ok(body)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Hands the response to the host first and streams its body after: a host may not read before it has the head.
fn send(reply: Reply, head_only: bool, out: ResponseOutparam) {
    let fields: Vec<(String, Vec<u8>)> =
        reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    let prepared = Fields::from_list(&fields).map_err(|_| ()).and_then(|fields| {
        let response = OutgoingResponse::new(fields);
        response.set_status_code(reply.status)?;
        let body = response.body()?;
        Ok((response, body))
    });
    let Ok((response, body)) = prepared else {
        return ResponseOutparam::set(out, Err(ErrorCode::InternalError(None)));
    };
    ResponseOutparam::set(out, Ok(response));
    if !head_only {
        let Ok(mut stream) = body.write() else { return };
        // A visitor who hangs up costs the rest of the answer, nothing else; dropping the body tells the host.
        if stream.write_all(reply.body.as_bytes()).and_then(|()| Write::flush(&mut stream)).is_err() {
            return;
        }
    }
    let _ = OutgoingBody::finish(body, None);
}
