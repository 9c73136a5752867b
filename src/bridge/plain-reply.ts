import { cutReply, messageText, type Reply } from "./reply.ts";

/**
 * Every answer but that to `POST /sign`. Clients probe `/sign` first and take any status below 500 for "reachable", so
 * the probe answers alike whatever state the appliance is in; the POST explains.
 */
export function plainReply(path: string, method: string, isClosing: boolean): Reply {
  const isRead = method === "GET" || method === "HEAD";
  if (path === "/sign") return isRead ? probe() : notAllowed("GET, HEAD, POST");
  if (path !== "/healthz") return cutReply(404, "There is nothing here; registrations go to /sign.");
  if (!isRead) return notAllowed("GET, HEAD");
  const [status, message] = isClosing ? [503, "The bridge is stopping."] : [200, "The bridge is up."];
  return { status, text: messageText(message), note: { outcome: "health", uuid: "" } };
}

function probe(): Reply {
  return {
    status: 200,
    text: messageText("Registrations are taken here by POST."),
    note: { outcome: "probe", uuid: "" },
  };
}

function notAllowed(allow: string): Reply {
  return { ...cutReply(405, "This method is not for this path; registrations are sent by POST."), allow };
}
