"""What the API has done: questions and orders in a thread of the box, deploys in a child process."""
