"""Makes the site of docs/ with MkDocs: what is added to the pages, and the pictures of the causes."""
