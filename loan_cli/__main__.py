from loan_cli.app import app

app()
