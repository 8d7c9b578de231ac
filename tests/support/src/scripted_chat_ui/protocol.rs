//! The protocol: which request is answered with what, and what it changes.

use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Family, Session, Shared, form, record::Conversation, reply::Reply};
use crate::http1::Head;

/// The conversation that none is, by which clients ask what a session is worth.
const NO_CONVERSATION: &str = "000000000000000000000000";

/// A request.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) head: Head,
    pub(super) body: Bytes,
}

/// What a request is answered with.
pub(super) enum Response {
    Whole(Whole),
    /// The answer to the message in the conversation of this number.
    Stream(usize, Reply),
}

/// An answer with a length.
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

impl Whole {
    fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", content_type.to_owned())],
            body: body.into(),
        }
    }

    fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    fn message(status: u16, message: &str) -> Self {
        Self::json(status, &json!({"message": message}))
    }

    fn page(status: u16) -> Self {
        Self::new(status, "text/html", "<!doctype html><title>chat-ui</title>")
    }

    fn login() -> Self {
        Self {
            status: 302,
            headers: vec![(
                "Location",
                "https://idp.example.org/oauth/authorize?x=1".to_owned(),
            )],
            body: Bytes::new(),
        }
    }
}

/// Who asks.
enum Visitor {
    /// Whoever has this session.
    Known(String),
    Guest,
    Banned,
}

impl Shared {
    /// Answers a request.
    pub(super) fn answer(&self, request: &Request) -> Response {
        let mut response = self.answer_without_cookie(request);
        if let (Response::Whole(whole), "POST") = (&mut response, request.method.as_str()) {
            whole.headers.extend(
                self.handed_out(request)
                    .map(|cookie| ("Set-Cookie", cookie)),
            );
        }
        response
    }

    /// The cookie that each POST hands out anew.
    pub(super) fn handed_out(&self, request: &Request) -> Option<String> {
        let value = self.cookie(request)?;
        let value = match self.state().sessions.get(&value) {
            Some(Session::Dropped) => "ffffffff-dead-4000-8000-000000000000".to_owned(),
            _ => value,
        };
        let name = &self.setup.cookie_name;
        Some(format!(
            "{name}={value}; Path=/; HttpOnly; Secure; SameSite=None; Max-Age=1209600"
        ))
    }

    fn cookie(&self, request: &Request) -> Option<String> {
        request
            .head
            .header("cookie")?
            .split("; ")
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == self.setup.cookie_name)
            .map(|(_, value)| value.to_owned())
    }

    fn visitor(&self, request: &Request) -> Visitor {
        let Some(cookie) = self.cookie(request) else {
            return Visitor::Guest;
        };
        match self.state().sessions.get(&cookie) {
            Some(Session::Valid | Session::Dropped) => Visitor::Known(cookie),
            Some(Session::Banned) => Visitor::Banned,
            None if !self.setup.has_login => Visitor::Known(cookie),
            Some(Session::Expired) | None => Visitor::Guest,
        }
    }

    fn answer_without_cookie(&self, request: &Request) -> Response {
        Response::Whole(match self.checked(request) {
            Ok(response) => return response,
            Err(whole) => whole,
        })
    }

    fn checked(&self, request: &Request) -> Result<Response, Whole> {
        let accept = request.head.header("accept").unwrap_or("text/html");
        if accept.contains("text/html") {
            return Err(Whole::page(404));
        }
        let Some(path) = request.path.strip_prefix("/chat") else {
            return Err(Whole::page(404));
        };
        if path.ends_with('/') {
            return Err(Whole {
                status: 308,
                headers: vec![("Location", request.path.trim_end_matches('/').to_owned())],
                body: Bytes::new(),
            });
        }
        self.check_origin(request)?;
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let visitor = self.visitor(request);
        if matches!(visitor, Visitor::Banned) {
            return Err(Whole::page(403));
        }
        if matches!(visitor, Visitor::Guest) && self.setup.has_automatic_login {
            // Of a message's answer, the pages want to read it.
            return Err(match (request.method.as_str(), segments.as_slice()) {
                ("POST", ["conversation", _]) => Whole::json(
                    200,
                    &json!({"type": "redirect", "status": 302, "location": "https://idp.example.org/"}),
                ),
                _ => Whole::login(),
            });
        }
        if let ("GET", ["api", ..]) = (request.method.as_str(), segments.as_slice()) {
            return Err(self.read(request, &segments, &visitor));
        }
        if let ["conversation", NO_CONVERSATION, "stop-generating"] = segments.as_slice()
            && let Some(cookie) = self.cookie(request)
        {
            *self.state().probes.entry(cookie).or_default() += 1;
        }
        let Visitor::Known(cookie) = visitor else {
            let makes = matches!(segments.as_slice(), ["conversation"]);
            if let Some(cookie) = self.cookie(request).filter(|_| makes) {
                *self.state().refusals.entry(cookie).or_default() += 1;
            }
            return Err(match self.setup.family {
                Family::New if makes => Whole::login(),
                _ => Whole::json(401, &json!({"error": "You have to be logged in."})),
            });
        };
        match (request.method.as_str(), segments.as_slice()) {
            ("GET", ["conversation", id, data]) if data.starts_with("__data.json?") => {
                Err(self.page_data(id))
            }
            ("POST", ["settings"]) => {
                let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                if body["ethicsModalAccepted"] == true {
                    self.state().accepted.insert(cookie);
                }
                Err(Whole::new(200, "text/plain", ""))
            }
            ("POST", ["conversation"]) => Err(self.create(request, cookie)),
            ("POST", ["conversation", id]) => self.send(request, id, &cookie),
            ("POST", ["conversation", id, "stop-generating"]) => {
                Err(self.change(id, &cookie, |one| {
                    one.stopped_at = Some(Instant::now());
                }))
            }
            ("DELETE", ["conversation", id]) => Err(self.delete(id, &cookie)),
            _ => Err(Whole::message(404, "Not Found")),
        }
    }

    /// The rule about forms.
    fn check_origin(&self, request: &Request) -> Result<(), Whole> {
        let content_type = request.head.header("content-type").unwrap_or_default();
        if request.method != "POST" || !content_type.starts_with("multipart/form-data") {
            return Ok(());
        }
        let Some(origin) = request.head.header("origin") else {
            return Err(Whole::json(
                403,
                &json!({"error": "Non-JSON form requests need to have an origin"}),
            ));
        };
        let own = self.address.to_string();
        let expected = self.setup.public_host.as_ref().unwrap_or(&own);
        match origin.split_once("://") {
            Some((_, host)) if host == expected => Ok(()),
            Some(_) => Err(Whole::json(
                403,
                &json!({"error": "Invalid referer for POST request"}),
            )),
            None => Err(Whole::message(500, "An error occurred")),
        }
    }

    /// What lies below `/api`, which is there for guests too.
    fn read(&self, request: &Request, segments: &[&str], visitor: &Visitor) -> Whole {
        let is_new = self.setup.family == Family::New;
        match segments {
            // What a version doesn't know is a page, with success.
            ["api", "v2", ..] if !is_new => Whole::page(200),
            ["api", "v2", "models"] => {
                Whole::json(200, &json!({"json": self.models(), "meta": {}}))
            }
            ["api", "models"] => Whole::json(200, &self.models()),
            ["api", "v2", "conversations", id] | ["api", "conversation", id] => {
                match (visitor, self.find(id)) {
                    (Visitor::Known(cookie), Some((_, one))) if one.cookie == *cookie => {
                        self.messages(&one)
                    }
                    _ => Whole::message(404, "Conversation not found."),
                }
            }
            _ => Whole::message(404, &format!("Not Found: {}", request.path)),
        }
    }

    fn models(&self) -> Value {
        let models = self.setup.models.iter();
        models
            .map(|(id, takes_images)| {
                json!({
                    "id": id, "name": id, "displayName": id, "description": "", "promptExamples": [], "preprompt": "",
                    "multimodal": takes_images, "unlisted": false, "hasInferenceAPI": false, "supportsTools": false,
                })
            })
            .collect()
    }

    fn messages(&self, one: &Conversation) -> Whole {
        let message = json!({"id": one.root, "from": "system", "content": one.preprompt});
        match self.setup.family {
            Family::New => Whole::json(
                200,
                &json!({"json": {"id": one.id, "rootMessageId": one.root, "messages": [message]}, "meta": {}}),
            ),
            // Without `EXPOSE_API`.
            Family::Old => Whole::message(403, "API is disabled"),
        }
    }

    fn page_data(&self, id: &str) -> Whole {
        let Some((_, one)) = self.find(id) else {
            return Whole::json(
                200,
                &json!({"type": "data", "nodes": [{"type": "skip"}, {"type": "error", "error": {"message": "Conversation not found"}, "status": 404}]}),
            );
        };
        let data = json!([
            {"messages": 1, "title": 5, "model": 6, "rootMessageId": 3},
            [2], {"id": 3, "from": 4}, one.root, "system", "New Chat", one.model
        ]);
        Whole::json(
            200,
            &json!({"type": "data", "nodes": [{"type": "skip"}, {"type": "data", "data": data, "uses": {}}]}),
        )
    }

    fn create(&self, request: &Request, cookie: String) -> Whole {
        if self.setup.has_disclaimer && !self.state().accepted.contains(&cookie) {
            return Whole::message(405, "You need to accept the welcome modal first");
        }
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
            return Whole::message(500, "An error occurred");
        };
        let model = body["model"].as_str().unwrap_or_default().to_owned();
        if !self.setup.models.iter().any(|(id, _)| *id == model) {
            return Whole::message(400, "Invalid request");
        }
        let (mut id, mut root) = (String::new(), String::new());
        self.conversations.send_modify(|all| {
            id = format!("665f{:020x}", all.len());
            root = format!("d147f346-0000-4000-8000-{:012x}", all.len());
            all.push(Conversation {
                id: id.clone(),
                root: root.clone(),
                cookie,
                model: model.clone(),
                preprompt: body["preprompt"].as_str().map(str::to_owned),
                message: None,
                files: Vec::new(),
                stopped_at: None,
                closed_at: None,
                ended_at: None,
                deleted_at: None,
                was_deleted_open: false,
            });
        });
        let mut created = json!({"conversationId": id});
        if self.setup.family == Family::New {
            let conversation = json!({"json": {"id": id, "title": "New Chat", "model": model, "rootMessageId": root}});
            created["conversation"] = conversation.to_string().into();
        }
        Whole::json(200, &created)
    }

    fn send(&self, request: &Request, id: &str, cookie: &str) -> Result<Response, Whole> {
        let Some((number, one)) = self.find(id).filter(|(_, one)| one.cookie == cookie) else {
            return Err(Whole::message(404, "Conversation not found"));
        };
        let reply = {
            let mut state = self.state();
            state.message_count += 1;
            let is_over = match state.session_limits.get_mut(cookie) {
                Some(left) => left.checked_sub(1).map(|less| *left = less).is_none(),
                None => false,
            };
            let limit = self.setup.message_limit;
            if is_over || limit.is_some_and(|limit| state.message_count > limit) {
                return Err(Whole::message(
                    429,
                    "You are sending too many messages. Try again later.",
                ));
            }
            let own = state.by_session.get(cookie).cloned();
            own.or_else(|| state.queued.pop_front())
                .unwrap_or_else(|| state.reply.clone())
        };
        let content_type = request.head.header("content-type").unwrap_or_default();
        let form = form::read(content_type, &request.body)
            .filter(|form| form.data["id"] == one.root.as_str() && form.data["inputs"] != "");
        let Some(form) = form else {
            return Err(Whole::json(
                500,
                &json!({"message": "An error occurred", "errorId": "e"}),
            ));
        };
        self.conversations.send_modify(|all| {
            all[number].message = Some(form.data);
            all[number].files = form.files;
        });
        Ok(match reply.head {
            Some(refusal) => {
                self.conversations
                    .send_modify(|all| all[number].ended_at = Some(Instant::now()));
                Response::Whole(Whole::new(
                    refusal.status,
                    &refusal.content_type,
                    refusal.body,
                ))
            }
            None => Response::Stream(number, reply),
        })
    }

    fn delete(&self, id: &str, cookie: &str) -> Whole {
        {
            let mut state = self.state();
            if state.failing_deletions > 0 {
                state.failing_deletions -= 1;
                return Whole::page(503);
            }
        }
        self.change(id, cookie, |one| {
            one.was_deleted_open = one.is_open();
            one.deleted_at = Some(Instant::now());
        })
    }

    fn change(&self, id: &str, cookie: &str, change: impl Fn(&mut Conversation)) -> Whole {
        match self.find(id).filter(|(_, one)| one.cookie == cookie) {
            Some((number, _)) => {
                self.conversations
                    .send_modify(|all| change(&mut all[number]));
                Whole::new(200, "text/plain", "")
            }
            None => Whole::message(404, "Conversation not found"),
        }
    }

    fn find(&self, id: &str) -> Option<(usize, Conversation)> {
        let all = self.conversations.borrow();
        let found = all
            .iter()
            .enumerate()
            .find(|(_, one)| one.id == id && one.deleted_at.is_none());
        found.map(|(number, one)| (number, one.clone()))
    }
}
